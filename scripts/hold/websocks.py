#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""WebSocks over every carrier: a browser's worth of requests, targets that speak first, a far server, and hostile logins."""

import base64, random, ssl, statistics
import farpath
from farpath import *

CARRIERS = {"tcp": ("tcp", False), "tls": ("tls", True), "kcp": ("kcp", False), "tls in kcp": ("kcp", True)}
GREETINGS = {"ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "SMTP": b"220 mail.test ESMTP Postfix\r\n",
             "MySQL": b"\x4a\x00\x00\x00\x0a8.0.36\x00" + bytes(range(63)) + b"\x00" * 4}


def certificates(hold):
    if not (hold.folder / "server.crt").exists():
        subprocess.run([hold.warren, "keygen", "tls", "server", "--name", "far.test", "--out", hold.folder], check=True,
                       stdout=subprocess.DEVNULL)
        (hold.folder / "pw").write_text("a word that nobody knows\n")
        (hold.folder / "pw").chmod(0o600)


def pair(hold, carrier, host=HOST, at=None, pool=0, **keys):
    """A server and its agent."""
    certificates(hold)
    kind, sealed = CARRIERS[carrier]
    tls = f", tls: {{ cert: {hold.folder}/server.crt, key: {hold.folder}/server.key }}" if sealed else ""
    server = hold.start("server", f"""
inbounds:
  - {{ name: in, type: websocks, listen: "{host}:0", carrier: {kind}, users: {{ alice: {{ passwordFile: {hold.folder}/pw }} }}{tls}{more(keys)} }}
egress: {{ allow: [public, private, loopback] }}""")
    trust = f", tls: {{ ca: {hold.folder}/authority.crt, serverName: far.test }}" if sealed else ""
    return server, hold.start("agent", f"""
inbounds: [ {{ name: front, type: mixed, listen: "{HOST}:0", to: far }} ]
outbounds:
  - {{ name: far, type: websocks, carrier: {kind}, server: "{at or host}:{server.port('in')}", user: alice,
      passwordFile: {hold.folder}/pw, pool: {pool}{trust} }}""")


def requests(hold):
    origin, count = Origin.start(), hold.scaled(2000, 200)
    for carrier in CARRIERS:
        server, agent = pair(hold, carrier, pool=10)
        sizes = [random.Random(carrier).choice([0, 1, 1000, 30_000, 300_000]) for _ in range(count)]

        def one(number):
            try:
                fetch(agent.port(), origin, f"/{number}/{sizes[number]}", 60)
            except (OSError, ValueError, EOFError, Refused) as error:
                return f"{type(error).__name__}: {error}"

        start = time.monotonic()
        wrong = [why for why in parallel(count, 100, one) if why]
        hold.check(f"{carrier}: {count} requests, 100 at a time", not wrong,
                   f"{count - len(wrong)} with equal bytes in {time.monotonic() - start:.1f} s {wrong[:2]}")
        server.kill(), agent.kill()


def greeting(connect, wanted):
    start = time.monotonic()
    with connect() as connection:
        got = receive(connection, len(wanted))
    if got != wanted: raise ValueError(f"{got!r}")
    return time.monotonic() - start


def greetings(hold):
    """Of targets that speak first, in a network where the server is at a distance."""
    ports = {name: serve_far(words) for name, words in GREETINGS.items()}
    for carrier in CARRIERS:
        server, agent = pair(hold, carrier, NEAR, FAR, pool=10)
        time.sleep(2)  # until the pool is full
        for name, port in ports.items():
            direct = statistics.median(greeting(lambda: socket.create_connection((FAR, port), 10), GREETINGS[name]) for _ in range(5))
            inside = [greeting(lambda: socks5(agent.port(), port), GREETINGS[name]) for _ in range(5)]
            hold.check(f"{carrier}: the greeting of {name}", statistics.median(inside) <= 1.5 * direct,
                       f"{statistics.median(inside) * 1000:.0f} ms, direct {direct * 1000:.0f} ms")
        server.kill(), agent.kill()


def serve_far(words): return serve(lambda connection: (connection.sendall(words), connection.recv(1)), host="0.0.0.0")


def first_byte(hold):
    """With the pool a page begins one round trip later than on a connection that is there already: the server's yes."""
    origin = serve(lambda connection: (connection.recv(100), connection.sendall(b"answer")), host="0.0.0.0")

    def exchange(connection):
        connection.sendall(b"question")
        receive(connection, 6)

    def own():
        """What the target takes on a connection, and the round trip before it."""
        start = time.monotonic()
        with socket.create_connection((FAR, origin), 10) as connection:
            trip = time.monotonic() - start
            exchange(connection)
            return trip, time.monotonic() - start

    trip, most = (statistics.median(times) for times in zip(*(own() for _ in range(9))))
    for carrier in CARRIERS:
        server, agent = pair(hold, carrier, NEAR, FAR, pool=10)
        time.sleep(2)

        def ask():
            start = time.monotonic()
            with socks5(agent.port(), origin) as connection: exchange(connection)
            return time.monotonic() - start

        times = [ask() for _ in range(9)]
        hold.check(f"{carrier}: the first byte at 100 ms", statistics.median(times) < most + trip / 10,
                   f"median {statistics.median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms; a round trip "
                   f"{trip * 1000:.0f} ms, with the target's exchange {most * 1000:.0f} ms")
        server.kill(), agent.kill()


def hostile(hold):
    """Wrong logins, broken heads and half ones from many sources; honest users go on."""
    certificates(hold)
    origin, count = Origin.start(), hold.scaled(100_000, 5000)
    server, agent = pair(hold, "tcp", pool=4)
    fetch(agent.port(), origin)
    quiet = [fetch(agent.port(), origin) for _ in range(50)]
    before, port = server.descriptors(), server.port("in")
    left, told = multiprocessing.Value("q", count), multiprocessing.SimpleQueue()

    def attack(seed):
        dice, seen, unanswered = random.Random(seed), 0, 0
        while True:
            with left.get_lock():
                if left.value <= 0: break
                left.value -= 1
            try:
                with dial(port, 5, f"127.0.{dice.randrange(1, 4)}.{dice.randrange(1, 250)}") as connection:
                    connection.sendall(wrong(dice))
                    connection.settimeout(0.05)  # half a head has no answer
                    seen += connection.recv(100).startswith(b"HTTP/1.1 4")
                    if dice.random() < 0.3: abort(connection)
            except OSError: unanswered += 1
        told.put((seen, unanswered))

    workers = [multiprocessing.Process(target=attack, args=(n,), daemon=True) for n in range(4)]
    start = time.monotonic()
    for worker in workers: worker.start()
    times, failed = [], []
    while any(worker.is_alive() for worker in workers):
        try: times.append(fetch(agent.port(), origin, seconds=20))
        except (OSError, EOFError, ValueError, Refused) as error: failed.append(f"{type(error).__name__}: {error}")
    seconds, results = time.monotonic() - start, [told.get() for _ in workers]
    hold.check(f"{count} hostile upgrades in {seconds:.0f} s: honest users are served", not failed,
               f"{len(times)} requests, {len(failed)} failed {failed[:2]}; median {statistics.median(times) * 1000:.1f} ms, quiet "
               f"{statistics.median(quiet) * 1000:.1f}, worst {max(times) * 1000:.0f}")
    hold.check("the server stays small", server.alive() and server.peak() < 200,
               f"{server.peak():.0f} MiB at most; {sum(s for s, _ in results)} answers of 4xx, {sum(u for _, u in results)} without one")
    settled(hold, "nothing is left of them", [server], [before + 8])


def wrong(dice):
    kind = dice.randrange(6)
    if kind == 0: return dice.randbytes(dice.randrange(1, 400))
    if kind == 1: return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * dice.randrange(1, 4000) + b"\r\n"
    login = base64.b64encode(b"alice:" + base64.b64encode(dice.randbytes(32)))
    head = (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: far.test\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: socks5\r\nAuthorization: Basic " + login + b"\r\n\r\n")
    if kind == 2: return head[:dice.randrange(1, len(head))]
    if kind == 3: return head + dice.randbytes(dice.randrange(1, 2000))
    return head


farpath.begin()
hold = Hold(__doc__)
hold.run(requests, greetings, first_byte, hostile)
