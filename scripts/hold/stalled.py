#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred readers that take nothing cost the tunnel little memory and little time, and are shown the door."""

import os
from common import *

STALLED, BUSY, BOUND, DOOR = 100, 10, 128, 15


def flood(connection):
    block = bytes(1 << 18)
    while True: connection.sendall(block)


def sink(connection):
    """Takes the first bytes and then nothing."""
    receive(connection, 100)
    time.sleep(120)


FLOOD, SINK = serve_apart(flood), serve_apart(sink)


class Busy(threading.Thread):
    """A download, held to some 10 MB a second for a while so that it lasts, that notes its pauses."""

    def __init__(self, port, origin, offset, size, calm):
        super().__init__(daemon=True)
        self.where, self.offset, self.size, self.calm = (port, origin), offset, size, calm
        self.pauses, self.digest, self.got, self.fault = [(0.0, 0.0)], hashlib.sha256(), 0, None
        self.start()

    def run(self):
        try:
            with socks5(*self.where, 60) as connection:
                connection.sendall(f"GET /big/{self.size}/{self.offset} HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
                head = b""
                while not head.endswith(b"\r\n\r\n"): head += receive(connection, 1)
                last = time.monotonic()
                while piece := connection.recv(1 << 18):
                    now = time.monotonic()
                    if now - last > 0.5: self.pauses.append((now - last, now))
                    self.digest.update(piece)
                    self.got += len(piece)
                    last = now
                    if now < self.calm: time.sleep(len(piece) / 10e6)
        except (OSError, EOFError, Refused) as error:
            self.fault = f"{type(error).__name__} {error}"

    def wrong(self, file):
        if self.fault or self.got < self.size: return self.fault or f"{self.got} of {self.size} bytes"
        with open(file, "rb") as source:
            source.seek(self.offset)
            return None if self.digest.digest() == hashlib.sha256(source.read(self.size)).digest() else "wrong bytes"


def direction(hold, what, target, stall, guilty):
    """`stall` makes one stalled stream; `guilty` is the process that has to notice."""
    server = hold.server()
    client = hold.client(server)
    ends, port, size = {"server": server, "client": client}, client.port(), hold.scaled(200, 20) * MIB
    Origin.big["big"] = file = hold.folder / "big"
    file.write_bytes(os.urandom(size + BUSY * MIB))
    origin = Origin.start()
    for number in range(20): fetch(port, origin, "/warm/1000000")
    time.sleep(1)
    idle = {name: end.rss() for name, end in ends.items()}
    for end in ends.values(): end.reset_peak()
    calm = time.monotonic() + hold.scaled(25, 15)
    busy = [Busy(port, origin, number * MIB, size, calm) for number in range(BUSY)]
    time.sleep(1)
    start = time.monotonic()
    held = parallel(STALLED, 25, lambda _: stall(port, target))
    count = lambda: ends[guilty].log().count('reason="reader stalled"')
    wait(lambda: count() >= STALLED, 60, 0.1)
    took = time.monotonic() - start
    hold.check(f"{what}: stalled streams are ended", count() == STALLED and took < DOOR,
               f"{count()} of {STALLED} said by the {guilty} within {took:.1f} s")
    for thread in busy: thread.join(120)
    wrong = list(filter(None, (thread.wrong(file) for thread in busy)))
    hold.check(f"{what}: busy streams arrive", not wrong,
               f"{BUSY} of {size >> 20} MiB in {time.monotonic() - start:.1f} s, wrong: {wrong[:3]}")
    pause, at = max(max(thread.pauses) for thread in busy)
    total = max(sum(pause for pause, _ in thread.pauses) for thread in busy)
    hold.check(f"{what}: busy streams go on", pause < 6, f"longest pause {pause:.2f} s"
               + (f", over {at - start:.1f} s after the stalled ones came; {total:.1f} s in sum" if at else ""))
    for name, end in ends.items():
        hold.check(f"{what}: memory of the {name}", end.peak() - idle[name] < BOUND,
                   f"{idle[name]:.0f} MiB idle, {end.peak():.0f} at most, {end.rss():.0f} now")
    for connection in held: connection.close()
    hold.check(f"{what}: one tunnel all the while", client.log().count("tunnel up") == 1)
    for end in ends.values(): end.kill()


def lazy_reader(port, target):
    return socks5(port, target, buffer=4096)


def eager_writer(port, target):
    connection = socks5(port, target)

    def write():
        with contextlib.suppress(OSError): flood(connection)

    threading.Thread(target=write, daemon=True).start()
    return connection


def down(hold): direction(hold, "down", FLOOD, lazy_reader, "client")
def up(hold): direction(hold, "up", SINK, eager_writer, "server")


hold = Hold(__doc__)
hold.run(down, up)
