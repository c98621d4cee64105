#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A round trip of 100 ms: one stream through a jProxy tunnel gets what plain TCP gets on the same path, both ways."""

import select, statistics
import farpath
from farpath import *

SHARE = 0.85
BUFFERS = {"the system's buffers": None, "buffers of 16 MiB": 16 * MIB}  # the most that TCP may give a socket, each way
DOWN, UP = b"d", b"u"


# The streams

TAKEN = multiprocessing.Value("Q", lock=False)


def origin(connection):
    if receive(connection, 1) == DOWN:
        block = bytes(1 << 18)
        while True: connection.sendall(block)
    buffer = bytearray(1 << 18)
    while count := connection.recv_into(buffer): TAKEN.value += count


def rate(connection, way, seconds):
    """MB/s of one stream that begins now: over the whole time, and over the second half."""
    got, half, block = 0, None, bytearray(1 << 18)
    with connection:
        connection.setblocking(False)
        before, start = TAKEN.value, time.monotonic()
        connection.send(way)
        while (now := time.monotonic()) < start + seconds:
            if way == UP: got = TAKEN.value - before
            if half is None and now >= start + seconds / 2: half = now, got
            with contextlib.suppress(BlockingIOError):
                if way == DOWN:
                    select.select([connection], [], [], 0.1)
                    if not (count := connection.recv_into(block)): raise EOFError(f"after {got} bytes")
                    got += count
                else:
                    select.select([], [connection], [], 0.1)
                    connection.send(block)
        abort(connection)
    return got / (now - start) / 1e6, (got - half[1]) / (now - half[0]) / 1e6


def plain(hold, way, seconds):
    connection = socket.create_connection((FAR, PORT), 10)
    return rate(connection, way, seconds)


def jproxy(hold, way, seconds):
    """A tunnel of its own for every run: it starts as cold as the plain connection."""
    server = hold.server(host=NEAR, extension="on")
    client = hold.client(server, host=FAR, extension="on")
    try:
        wait(lambda: "tunnel up" in client.log(), 10)
        return rate(socks5(client.port(), PORT), way, seconds)
    finally:
        server.kill(), client.kill()


def path(hold): farpath.measured(hold, PORT)


def streams(hold):
    limits = {name: (IPV4 / name).read_text().split() for name in ("tcp_rmem", "tcp_wmem")}
    for buffers, most in BUFFERS.items():
        for name, (low, middle, high) in limits.items():
            (IPV4 / name).write_text(f"{low} {middle} {most or high}")
        told = ", ".join(f"{name} {(IPV4 / name).read_text().split()[2]}" for name in limits)
        seen = collections.defaultdict(list)
        for _ in range(hold.scaled(3, 1)):
            for way in (DOWN, UP):
                for run in (plain, jproxy):
                    seen[run, way].append(run(hold, way, hold.scaled(10, 4)))
                    time.sleep(0.5)  # what is on the way arrives
        for what, way in (("down", DOWN), ("up", UP)):
            whole, late = ([statistics.median(speed[part] for speed in seen[run, way]) for run in (plain, jproxy)]
                           for part in (0, 1))
            hold.check(f"{what}, {buffers}", whole[1] >= SHARE * whole[0],
                       f"plain TCP {whole[0]:.1f} MB/s, jProxy {whole[1]:.1f}, {whole[1] / whole[0]:.0%}; "
                       f"in the second half {late[0]:.1f} and {late[1]:.1f}, {late[1] / late[0]:.0%} ({told})")
            for run in (plain, jproxy): print(f"     {run.__name__}:", *(f"{speed:.1f}" for speed, _ in seen[run, way]))


farpath.begin()
PORT = serve_apart(origin, host="0.0.0.0")
hold = Hold(__doc__)
hold.run(path, streams)
