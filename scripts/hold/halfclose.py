#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that close their sending side and then read: nothing is cut off, nothing is left open."""

import random
from collections import Counter
from common import *

HELD = 1000  # bytes that the echo keeps until it has seen the end, where the path can tell it


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


def connect(port, target):
    connection = dial(port)
    connection.sendall(f"CONNECT {HOST}:{target} HTTP/1.1\r\nHost: {HOST}:{target}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"): head += receive(connection, 1)
    return connection if b" 200 " in head.split(b"\r\n")[0] else connection.close()


def session(make, number):
    """What went wrong, or None."""
    chance = random.Random(number)
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
        return None if seen == body else f"{'cut off' if body.startswith(seen) else 'wrong'}"
    except (OSError, EOFError, Refused) as error:
        return f"{type(error).__name__} {error}"


def run(hold, what, count, workers, processes, make):
    wrong = session(make, 7)  # also lets every lazy descriptor come to be
    before = [p.descriptors() for p in processes]
    start = time.monotonic()
    wrong = Counter(filter(None, [wrong, *parallel(count, workers, lambda n: session(make, n))]))
    hold.check(f"{what}: {count} sessions", not wrong,
               f"{workers} at a time, {time.monotonic() - start:.1f} s, wrong: {dict(wrong.most_common(5))}")
    settled(hold, f"{what}: nothing left open", processes, before)


def halfclose(hold):
    server = hold.server()
    client = hold.client(server)
    direct = hold.direct(AT_END)
    count = hold.scaled(10_000)
    run(hold, "forward", count, 32, [direct], lambda: dial(direct.port("fwd")))
    run(hold, "socks5 direct", count, 32, [direct], lambda: socks5(direct.port(), AT_END))
    run(hold, "connect direct", count, 32, [direct], lambda: connect(direct.port(), AT_END))
    run(hold, "jproxy", count, hold.scaled(900, 250), [server, client], lambda: socks5(client.port(), AT_ONCE))
    lines = server.log().count(" stream "), client.log().count(" stream ")
    hold.check("jproxy: a line for every stream on both ends", lines == (count + 1, count + 1), lines)


hold = Hold(__doc__)
hold.run(halfclose)
