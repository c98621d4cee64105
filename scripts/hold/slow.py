#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readers that are slow and alive are not taken for dead, and what they cost the others of their tunnel."""

from common import *

ORIGIN = Origin.start()
ENDLESS = 1 << 34
PACES = {"50 kB/s": 50_000, "200 kB/s": 200_000, "1 MB/s": 1_000_000, "4 MB/s": 4_000_000}


def read(port, rate, pause, seconds, window):
    """Reads a long answer at that rate, a burst every `pause` seconds; (bytes read, what went wrong)."""
    got, start = 0, time.monotonic()
    try:
        with socks5(port, ORIGIN, 30, buffer=window) as connection:
            connection.sendall(f"GET /big/{ENDLESS}/0 HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
            while (now := time.monotonic()) < start + seconds:
                due = min(int((now - start) * rate) - got, 1 << 24)
                while due > 0:
                    if not (piece := connection.recv(min(due, 1 << 18))): return got, "clean end too early"
                    got, due = got + len(piece), due - len(piece)
                time.sleep(pause)
            abort(connection)
    except (OSError, EOFError, Refused) as error:
        return got, f"{type(error).__name__} {error} after {time.monotonic() - start:.1f} s"
    return got, None


def tunnel(hold): return hold.client(hold.server(extension="off"), extension="off")


def alone(hold):
    """One reader to a tunnel: it holds up nobody."""
    jobs = [(name, pause, window) for name in PACES for pause in (0.05, 1.0) for window in (None, 65536)]
    clients, seconds = [tunnel(hold) for _ in jobs], hold.scaled(60, 30)

    def one(number):
        name, pause, window = jobs[number]
        return read(clients[number].port(), PACES[name], pause, seconds, window)

    for (name, pause, window), client, (got, fault) in zip(jobs, clients, parallel(len(jobs), len(jobs), one)):
        stalled = client.log().count('reason="reader stalled"')
        hold.check(f"alone at {name}, a burst every {pause} s, {window or 'any'} window", not fault and not stalled,
                   f"{got / 1e6:.1f} MB in {seconds} s, {fault}" + ", ended as stalled" * stalled)
    for process in hold.processes: process.kill()


def beside(hold):
    """One slow reader and one that takes all it gets: the protocol has no flow control, so the first one costs the other
    speed, how much is told; neither may be ended."""
    seconds = hold.scaled(20, 8)
    for name, window in (("200 kB/s", 65536), ("1 MB/s", 65536), ("1 MB/s", None)):
        client = tunnel(hold)
        rates = {0: PACES[name], 1: 1e10}
        pauses, windows = {0: 0.02, 1: 0}, {0: window, 1: None}
        slow, fast = parallel(2, 2, lambda n: read(client.port(), rates[n], pauses[n], seconds, windows[n]))
        hold.check(f"beside a reader at {name}, {window or 'any'} window", not slow[1] and not fast[1],
                   f"the other gets {fast[0] / seconds / 1e6:.1f} MB/s, {fast[1]}; the slow one {slow[0] / 1e6:.1f} MB, {slow[1]}")


def begin(hold):
    Origin.big["big"] = file = hold.folder / "big"
    with open(file, "wb") as sparse: sparse.truncate(ENDLESS)


hold = Hold(__doc__)
hold.run(begin, alone, beside)
