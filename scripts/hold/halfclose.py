#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that close their sending side and then read: nothing is cut off, nothing is left open."""

import random
from collections import Counter
from common import *

HELD = 1000  # bytes that the echo keeps until it has seen the end, where the path can tell it
LINGER = 60  # seconds


def echo_at_end(connection):
    kept = bytearray()
    while piece := connection.recv(1 << 17):
        kept += piece
        if len(kept) > HELD:
            connection.sendall(kept[:-HELD])
            del kept[:-HELD]
    connection.sendall(kept)


def echo_at_once(connection):
    while piece := connection.recv(1 << 17):
        connection.sendall(piece)


AT_END, AT_ONCE = serve(echo_at_end), serve(echo_at_once)


def session(make, number):
    """What went wrong or None, and the time it took."""
    chance, start = random.Random(number), time.monotonic()
    ended = lambda fault: (fault, time.monotonic() - start)
    body = chance.randbytes(chance.choice((1, 999, 4074, chance.randrange(1, 200_000), 200_000)))
    try:
        with make() as connection:
            connection.settimeout(60)

            def send():
                connection.sendall(body)
                connection.shutdown(socket.SHUT_WR)

            sender = None
            if len(body) > 20_000:
                sender = threading.Thread(target=send)
                sender.start()
            else:
                send()
            seen = receive_all(connection)
            if sender: sender.join()
        return ended(None if seen == body else f"{'cut off' if body.startswith(seen) else 'wrong'}")
    except (OSError, EOFError, Refused) as error:
        return ended(f"{type(error).__name__} {error}")


def run(hold, what, count, workers, processes, make, linger=None):
    """`linger`: the time set at both ends that no session may wait for."""
    first = session(make, 7)  # also lets every lazy descriptor come to be
    before = [p.descriptors() for p in processes]
    start = time.monotonic()
    faults, times = zip(first, *parallel(count, workers, lambda n: session(make, n)))
    seconds, wrong = time.monotonic() - start, Counter(filter(None, faults))
    hold.check(f"{what}: {count} sessions", not wrong,
               f"{workers} at a time, {seconds:.1f} s, wrong: {dict(wrong.most_common(5))}")
    if linger:
        most = linger * count / workers / 10
        hold.check(f"{what}: none waits for linger", seconds < most and max(times) < linger / 3,
                   f"linger {linger} s; {seconds:.1f} s in all, {most:.0f} at most; the slowest {max(times):.2f} s, "
                   f"{sorted(times)[len(times) // 2]:.2f} in the middle")
    settled(hold, f"{what}: nothing left open", processes, before)


def halfclose(hold):
    direct = hold.direct(AT_END)
    count = hold.scaled(10_000)
    run(hold, "forward", count, 32, [direct], lambda: dial(direct.port("fwd")))
    run(hold, "socks5 direct", count, 32, [direct], lambda: socks5(direct.port(), AT_END))
    run(hold, "connect direct", count, 32, [direct], lambda: connect(direct.port(), AT_END))
    direct.kill()


def jproxy(hold, extension, target, linger=None):
    keys = {"extension": extension, **({"linger": f"{linger}s"} if linger else {})}
    server = hold.server(**keys)
    client = hold.client(server, **keys)
    count, what = hold.scaled(10_000), f"jproxy, extension {extension}"
    run(hold, what, count, hold.scaled(900, 250), [server, client], lambda: socks5(client.port(), target), linger)
    lines = server.log().count(" stream "), client.log().count(" stream ")
    hold.check(f"{what}: a line for every stream on both ends", lines == (count + 1, count + 1), lines)
    server.kill(), client.kill()


def deployed(hold): jproxy(hold, "off", AT_ONCE)
def extended(hold): jproxy(hold, "on", AT_END, LINGER)


hold = Hold(__doc__)
hold.run(halfclose, deployed, extended)
