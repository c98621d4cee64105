#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A user leaves a running download: whatever is behind the front, its origin sends less than 2 MB more.

The origin sends 200 MB/s. At full speed a millisecond costs 4 MB, and every process on the way takes one to wake up.
"""

from common import *

MOST, RATE, ROUNDS = 2_000_000, 200e6, 5


class Counter:
    """An origin that sends for ever, by HTTP or plain, and knows how much it has sent."""

    def __init__(self, http):
        self.http, self.sent = http, 0
        self.port = serve(self.answer)

    def answer(self, connection):
        if self.http:
            head = b""
            while b"\r\n\r\n" not in head: head += connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        else:
            connection.recv(1)
        piece, start, sent = memoryview(ENDLESS)[:64 << 10], time.monotonic(), 0  # a larger one would count as a whole
        while True:
            sent += (count := connection.send(piece))
            self.sent += count
            time.sleep(max(0, start + sent / RATE - time.monotonic()))


def absolute(port, origin):
    user = dial(port)
    user.sendall(f"GET http://{HOST}:{origin.port}/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return user


def plain(make):
    def ask(port, origin):
        user = make(port, origin.port)
        user.sendall(b"!")
        return user
    return ask


def close(user): user.close()


def say_and_close(user):
    """An orderly end first, as a browser's process that is closed says it."""
    user.shutdown(socket.SHUT_WR)
    time.sleep(0.01)
    user.close()


def leaves(hold, what, port, ask, origin):
    """The most that came after the user, for every way to go."""
    for way in (close, say_and_close, abort):
        costs, lasted = [], []
        for _ in range(ROUNDS):
            user = ask(port, origin)
            receive(user, 4 * MIB)
            way(user)
            at, start = origin.sent, time.monotonic()
            # A device has its next connection to the target before anybody comes.
            last = (at, start)
            while time.monotonic() - last[1] < 0.3 and time.monotonic() - start < 20:
                time.sleep(0.002)
                if origin.sent > last[0]: last = (origin.sent, time.monotonic())
            costs.append(origin.sent - at)
            lasted.append(last[1] - start)
        hold.check(f"{what}: {way.__name__}", max(costs) < MOST and max(lasted) < 5,
                   f"{max(costs) / 1e6:.2f} MB more at most, {sorted(costs)[ROUNDS // 2] / 1e6:.2f} as a rule; over after "
                   f"{max(lasted):.2f} s")


def fronts(hold):
    origin, web = Counter(False), Counter(True)
    direct = hold.direct(target=origin.port)
    leaves(hold, "forward", direct.port("fwd"), plain(lambda port, _: dial(port)), origin)
    leaves(hold, "SOCKS5", direct.port(), plain(socks5), origin)
    leaves(hold, "CONNECT", direct.port(), plain(connect), origin)
    leaves(hold, "HTTP", direct.port(), absolute, web)


def jproxy(hold):
    origin, web = Counter(False), Counter(True)
    for extension in ("on", "off"):
        client = hold.client(hold.server(extension=extension), extension=extension)
        leaves(hold, f"jProxy, extension {extension}: SOCKS5", client.port(), plain(socks5), origin)
        leaves(hold, f"jProxy, extension {extension}: HTTP", client.port(), absolute, web)


def zhwkprox(hold):
    """Without the extension nobody can tell the exit."""
    origin = Counter(False)
    inter = hold.start("inter", f"""
inbounds: [ {{ name: front, type: mixed, listen: "{HOST}:0", to: exit }} ]
outbounds: [ {{ name: exit, type: zhwkprox, listen: "{HOST}:0" }} ]""")
    hold.start("exit", f"""
inbounds: [ {{ name: exit, type: zhwkprox, dial: "{HOST}:{inter.port('exit')}" }} ]
egress: {{ allow: [loopback] }}""")
    leaves(hold, "zhwkproX: SOCKS5", inter.port(), plain(socks5), origin)


def jet(hold):
    origin = Counter(False)
    relay = hold.start("relay", f"relays: [ {{ name: r, type: jet, listen: [\"tcp://{HOST}:0\"] }} ]")
    at = f'relay: "tcp://{HOST}:{relay.port("r")}"'
    hold.start("device", f"""
inbounds:
  - {{ name: d, type: jet, {at}, target: "{HOST}:{origin.port}", repeat: true, announce: {hold.folder}/at }}
egress: {{ allow: [loopback] }}""")
    if not wait((hold.folder / "at").exists, 10): raise RuntimeError("nothing is announced")
    support = hold.start("support", f"""
inbounds: [ {{ name: f, type: forward, listen: "{HOST}:0", to: o }} ]
outbounds: [ {{ name: o, type: jet, {at}, associationFile: {hold.folder}/at }} ]""")
    leaves(hold, "JET", support.port("f"), plain(lambda port, _: dial(port)), origin)


hold = Hold(__doc__)
hold.run(fronts, jproxy, zhwkprox, jet)
