#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An origin refuses an upload: it answers and closes over the rest of it, so that its answer is followed by a reset.

The user gets the answer through every front and tunnel as often as without Warren. A user's system throws away what it
has not yet handed out when the reset comes; therefore users read while they send.
"""

from common import *

BODY = b"x" * 2000
ANSWER = b"HTTP/1.1 413 Too much\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n" + BODY


def refuses(pause):
    def answer(connection):
        head = b""
        while b"\r\n\r\n" not in head: head += connection.recv(4096)
        connection.sendall(ANSWER)
        time.sleep(pause)
    return serve(answer)


def upload(user, port, size, prefix=""):
    """The answer's body and how it ended."""
    user.settimeout(10)
    user.sendall(f"POST {prefix}/ HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Length: {size}\r\n\r\n".encode())

    def send():
        with contextlib.suppress(OSError): pour(user, size)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    answer, end = b"", "in order"
    try:
        while not answer.endswith(BODY) and (piece := user.recv(65536)): answer += piece
    except OSError as error:
        end = type(error).__name__
    abort(user)
    sender.join(5)
    return answer.partition(b"\r\n\r\n")[2], end


def answered(hold, what, port, dial_through, prefix=False):
    for pause in (0, 0.003):
        origin = refuses(pause)
        for size in (MIB, 10 * MIB):
            wrong, count = [], hold.scaled(300, 60)
            for _ in range(count):
                at = f"http://{HOST}:{origin}" if prefix else ""
                body, end = upload(dial_through(port, origin), origin, size, at)
                if body != BODY: wrong.append((len(body), end))
            hold.check(f"{what}: closes {pause * 1000:.0f} ms after the answer, {size >> 20} MiB", not wrong,
                       f"{count - len(wrong)} of {count} {sorted(set(wrong))[:3]}")


def fronts(hold):
    direct = hold.direct()
    answered(hold, "SOCKS5", direct.port(), socks5)
    answered(hold, "HTTP", direct.port(), lambda port, _: dial(port), True)


def jproxy(hold):
    for extension in ("on", "off"):
        client = hold.client(hold.server(extension=extension), extension=extension)
        answered(hold, f"jProxy, extension {extension}", client.port(), socks5)


def zhwkprox(hold):
    inter = hold.start("inter", f"""
inbounds: [ {{ name: front, type: mixed, listen: "{HOST}:0", to: exit }} ]
outbounds: [ {{ name: exit, type: zhwkprox, listen: "{HOST}:0" }} ]""")
    hold.start("exit", f"""
inbounds: [ {{ name: exit, type: zhwkprox, dial: "{HOST}:{inter.port('exit')}" }} ]
egress: {{ allow: [loopback] }}""")
    answered(hold, "zhwkproX", inter.port(), socks5)


hold = Hold(__doc__)
hold.run(fronts, jproxy, zhwkprox)
