#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand short streams over one tunnel: each gets its own bytes, all of them and no others, whoever hangs up."""

import random
from collections import Counter
from common import *

HEAD = struct.Struct(">IIIB")  # of a request: its length, the answer's length, where the server hangs up, and how
ALL, CUT, RESET = range(3)


def answer(connection):
    """A stream of bytes that only this request gives."""
    length, size, stop, how = HEAD.unpack(receive(connection, HEAD.size))
    body = receive(connection, length)
    reply = hashlib.shake_128(body).digest(size)
    connection.sendall(reply[:stop] if how else reply)
    if how == RESET:
        abort(connection)
    elif how == ALL and connection.recv(1):
        BROKEN.append("bytes after the request")


BROKEN = []
SERVER = serve(answer)


def one(port, number, ways):
    """One stream; what went wrong, or None. `ways`: how many of 16 streams end abruptly on our side."""
    chance = random.Random(number)
    body = chance.randbytes(chance.choice((16, 200, 3000, 5000, 20_000, 70_000)))
    size = chance.choice((0, 1, 100, 4074, 4075, 9000, 40_000, 150_000))
    way = chance.randrange(16)
    how = chance.choice((ALL, ALL, CUT, RESET)) if way >= ways else ALL
    stop = chance.randrange(size + 1)
    expected = hashlib.shake_128(body).digest(size)
    if how: expected = expected[:stop]
    connection = socks5(port, SERVER, 60)
    try:
        if way == 0: return abort(connection)  # nothing said
        connection.sendall(HEAD.pack(len(body), size, stop, how))
        if way == 1: return abort(connection)  # half a request
        connection.sendall(body)
        if way == 2: return abort(connection)  # while the answer is on its way
        if 3 <= way < ways:
            seen = receive(connection, min(size, chance.randrange(size + 1)))
            abort(connection)
            return None if expected.startswith(seen) else "foreign bytes before a reset"
        if how:
            seen = bytearray()
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(1 << 18): seen += piece
            if not expected.startswith(seen): return "foreign bytes"
            return None if how == RESET or len(seen) == stop else f"{len(seen)} of {stop} bytes from a closing server"
        seen = receive(connection, size)
        if seen != expected: return "foreign bytes"
        if chance.random() < 0.3: return abort(connection)
    finally:
        connection.close()


def streams(hold):
    server = hold.server()
    client = hold.client(server)
    ends = [server, client]
    one(client.port(), 99, 0)
    before = [end.descriptors() for end in ends]
    for what, ways in (("ends on our side by reset mixed in", 6), ("ordinary ends", 0)):
        count, start = hold.scaled(10_000) // 2, time.monotonic()

        def run(number):
            try:
                return one(client.port(), number, ways)
            except (OSError, EOFError, Refused) as error:
                return f"{type(error).__name__} {error}"

        wrong = Counter(filter(None, parallel(count, 48, run)))
        seconds = time.monotonic() - start
        hold.check(f"{count} streams, {what}", not wrong and not BROKEN,
                   f"{count / seconds:.0f} a second, wrong: {dict(wrong.most_common(5))} {BROKEN[:3]}")
    hold.check("one tunnel all the while", client.log().count("tunnel up") == 1 and "tunnel down" not in client.log())
    settled(hold, "nothing left open", ends, before)
    logged = wait(lambda: client.log().count(" stream ") >= count * 2 + 1, 8) and client.log().count(" stream ")
    hold.check("a line for every stream", logged == count * 2 + 1, f"{client.log().count(' stream ')} of {count * 2 + 1}")


hold = Hold(__doc__)
hold.run(streams)
