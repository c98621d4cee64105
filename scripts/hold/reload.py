#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Configurations exchanged again and again under load: nobody on a unit that stays sees anything of it.

Echo streams through a front, a forward and a tunnel; 100 reloads a minute change, add and remove other units, move the
routes and break the file. Afterwards descriptors, threads and memory are back.
"""

import os
import signal as signals

from common import *


def echo_server():
    def answer(connection):
        while piece := connection.recv(65536): connection.sendall(piece)
    return serve(answer)


class Talker(threading.Thread):
    """Says and hears words until it is told to stop."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.words, self.failure, self.runs = connection, 0, None, True
        self.start()

    def run(self):
        try:
            while self.runs:
                word = os.urandom(1 + self.words % 4000)
                self.connection.sendall(word)
                if receive(self.connection, len(word)) != word: raise ValueError("other bytes")
                self.words += 1
                time.sleep(0.01)
        except Exception as error:
            self.failure = repr(error)

    def end(self):
        self.runs = False
        self.join(20)
        abort(self.connection)


def config(echo, server, key, number):
    """The units `front`, `fwd`, `far` and `through` stay; the others differ from one to the next."""
    variant = number % 5
    extra = [f"  - {{ name: extra{index}, type: {'mixed' if (number + index) % 2 else 'socks5'}, listen: \"{HOST}:0\" }}"
             for index in range(variant)]
    outbounds = [f"  - {{ name: spare{index}, type: socks5, server: \"{HOST}:{9 + number % 3}\" }}"
                 for index in range(variant % 3)]
    lines = [
        "admin: { listen: \"unix:admin.sock\" }", "inbounds:",
        f"  - {{ name: front, type: mixed, listen: \"{HOST}:0\" }}",
        f"  - {{ name: fwd, type: forward, listen: \"{HOST}:0\", target: \"{HOST}:{echo}\" }}",
        f"  - {{ name: through, type: mixed, listen: \"{HOST}:0\", to: far }}",
        *extra, "outbounds:", f"  - {{ name: far, type: jproxy, server: \"{HOST}:{server}\", key: \"{key}\" }}",
        *outbounds, "routes:", f"  - {{ port: {10 + number % 7}, to: block }}",
        "egress: { allow: [loopback] }", "drain: 1s", f"limits: {{ idle: {3600 + number % 2}s }}",
    ]
    if number % 10 == 9: lines.append("nonsense: 1")
    return "\n".join(lines) + "\n"


def reloads(hold):
    echo = echo_server()
    server = hold.server(extra="")
    key = hold.folder / "key.dat"
    near = hold.start("near", config(echo, server.port("tunnel"), key, 0))
    ask = lambda *words: subprocess.run([hold.warren, *words, "-c", near.config], capture_output=True, text=True)
    dials = [lambda: dial(near.port("fwd")), lambda: socks5(near.port("front"), echo),
             lambda: socks5(near.port("through"), echo)]
    for make in dials: abort(make())
    talkers = [Talker(make()) for make in dials for _ in range(hold.scaled(170, 20))]
    time.sleep(2)
    before = [near.descriptors(), near.threads(), near.rss()]
    minutes = hold.scaled(10, 0.5)
    count, refused, wrong = int(minutes * 100), 0, []
    began = time.monotonic()
    for number in range(1, count + 1):
        near.config.write_text(config(echo, server.port("tunnel"), key, number))
        if number % 3 == 0:
            near.signal(signals.SIGHUP)
        else:
            answer = ask("reload")
            bad = number % 10 == 9
            refused += bad
            if (answer.returncode != 0) != bad: wrong.append((number, answer.stderr[:200]))
        for make in dials: abort(make())
        time.sleep(max(0, began + number * 0.6 - time.monotonic()))
    near.config.write_text(config(echo, server.port("tunnel"), key, 0))
    ask("reload")
    hurt = [t.failure for t in talkers if t.failure]
    hold.check(f"{count} reloads, {refused} of them of a bad file: each did what it should", not wrong, str(wrong[:3]))
    hold.check(f"{len(talkers)} streams of units that stay are untouched", not hurt, str(hurt[:3]))
    time.sleep(3)
    status = ask("status").stdout
    hold.check("no unit is left over", "extra" not in status and "spare" not in status)
    after = [near.descriptors(), near.threads(), near.rss()]
    hold.check("descriptors and threads are back", after[0] <= before[0] + 3 and after[1] <= before[1],
               f"{before} -> {after}")
    hold.check("memory is back", after[2] < before[2] * 1.3 + 8, f"{before[2]:.1f} -> {after[2]:.1f} MiB")
    for talker in talkers: talker.end()


Hold(__doc__).run(reloads)
