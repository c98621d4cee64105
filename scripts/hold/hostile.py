#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Strangers and false friends at both ports: nothing breaks, nothing stays, and the honest user is served meanwhile."""

import errno, random
from collections import Counter
from common import *

HELLO = b"jProxy\3\0"
SEEN = []  # request heads that reached the origin of the smuggling attempts


def record(connection):
    connection.settimeout(3)
    SEEN.append(connection.recv(1 << 16))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")


# jProxy

def jproxy_stranger(chance, secret):
    """What one stranger says; the hash in `secret` is a real one."""
    login = HELLO + secret["hash"]
    return [
        lambda: b"",
        lambda: chance.randbytes(chance.randrange(1, 400)),
        lambda: HELLO[:chance.randrange(1, 8)],
        lambda: HELLO + chance.randbytes(chance.randrange(1, 600)),
        lambda: b"jProxy" + bytes([chance.choice((0, 1, 2, 4, 255)), 0]) + secret["hash"],
        lambda: HELLO + chance.randbytes(32),
        lambda: login[:chance.randrange(9, 40)],
        lambda: login + chance.randbytes(chance.randrange(1, 3000)),
        lambda: login + bytes(chance.randrange(1, 5000)),  # packets of no blocks
        lambda: login + bytes([255]) + chance.randbytes(chance.randrange(4080)),  # cut off
        lambda: login + b"".join(bytes([n]) + chance.randbytes(16 * n) for n in (1, 2, 129, 255)),  # bad padding
    ][chance.randrange(11)]()


def message(*parts): return b"".join(parts)


def friend_messages(chance, secret):
    """Messages of somebody with a key and bad intentions: one kind of abuse for each call."""
    word = lambda n: struct.pack(">H", n)
    some = lambda: word(chance.randrange(65536))
    to = lambda id, port: message(b"\1", word(id), word(port), b"\1\4\x7f\0\0\1")
    count = 1000
    kind = chance.randrange(9)
    if kind == 0: return [to(n, secret["closed"]) for n in range(count * 5)]  # floods; the replies are not read
    if kind == 1: return [to(n, secret["flood"]) for n in range(count * 2)]  # past the limit, all of them talkative
    if kind == 2: return [message(b"\1", some(), some(), bytes([chance.choice((0, 4, 5, 255)), 4]), bytes(4)) for _ in range(count)]
    if kind == 3: return [message(b"\1", some(), some(), bytes([chance.randrange(1, 4), chance.choice((0, 3, 17, 255))]),
                                  chance.randbytes(chance.randrange(20))) for _ in range(count)]
    if kind == 4: return [message(b"\x41", some(), b"\4") for _ in range(count)]  # ends of unknown streams
    if kind == 5: return [message(b"\x21", some(), word(900), bytes(900)) for _ in range(count // 4)]  # their data
    if kind == 6: return [message(b"\x21", some(), word(60_000), bytes(9)) for _ in range(count)]  # too short for it
    if kind == 7: return [chance.randbytes(chance.randrange(1, 300)) for _ in range(count)]  # anything
    again = [to(7, secret["flood"]), message(b"\x21", word(7), word(500), bytes(500)), to(7, secret["closed"])]
    return again * (count // 4)  # a live id over and over


def padded(text):
    rest = 16 - len(text) % 16
    return text + bytes([rest]) * rest


def friend(port, chance, secret):
    """A real login and then abuse; how many packets were sent."""
    with dial(port, 5, source=address(chance)) as connection:
        connection.sendall(HELLO + secret["hash"])
        if receive(connection, 8) != b"jProxy\0\0": raise ValueError("login refused")
        key = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", secret["key"], "-keyform", "DER"],
                             input=receive(connection, 256), stdout=subprocess.PIPE, check=True).stdout
        texts = [padded(text) for text in friend_messages(chance, secret)]
        cipher = subprocess.run(["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", key.hex()],
                                input=b"".join(texts), stdout=subprocess.PIPE, check=True).stdout
        wire, at = bytearray(), 0
        for text in texts:
            wire += bytes([len(text) // 16]) + cipher[at:at + len(text)]
            at += len(text)
        with contextlib.suppress(OSError):
            connection.sendall(wire)
            if chance.random() < 0.5: time.sleep(0.5)
        if chance.random() < 0.5: abort(connection)
    return len(texts)


# SOCKS and HTTP

def smuggled(target):
    """Requests that two readers could read in two ways, and what else no origin may ever see."""
    host = f"{HOST}:{target}"
    line, end = f"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n", "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
    fields = ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 4\r\nContent-Length: 5\r\n",
              "Content-Length: +5\r\n", "Content-Length: 5, 6\r\n", "Content-Length: -1\r\n", "Content-Length: 0x5\r\n",
              "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding : chunked\r\n", "Content-Length :5\r\n",
              "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding:\x0bchunked\r\n",
              "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "X: a\r\n Transfer-Encoding: chunked\r\n",
              "X: a\0b\r\n", "X: a\rTransfer-Encoding: chunked\r\n", "Host: other\r\n", ": x\r\n", "X y: z\r\n", "no colon\r\n"]
    return [(line + field + end).encode() for field in fields] + [
        (line.replace("HTTP/1.1", version, 1) + end).encode() for version in ("HTTP/2.0", "HTTP/9", "http/1.1", "")] + [
        f"GET http://user@{host}/ HTTP/1.1\r\n\r\n".encode(), f"GET  http://{host}/ HTTP/1.1\r\n\r\n".encode(),
        f"GET http://{host}/\t HTTP/1.1\r\n\r\n".encode(), b"GET /plain HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n",
        f"CONNECT {host} HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd".encode(), b"CONNECT :0 HTTP/1.1\r\n\r\n",
        f"GET http://{host}:1/ HTTP/1.1\r\n\r\n".encode(), b"\r\n" * 50_000]


def front_stranger(chance, secret):
    there = socket.inet_aton(HOST) + struct.pack(">H", secret["closed"])
    socks5, socks4 = b"\5\1\0\5\1\0\1" + there, b"\4\1" + there[4:] + there[:4] + b"me\0"
    name = lambda size: b"\5\1\0\5\1\0\3" + bytes([size]) + chance.randbytes(size) + b"\0\x50"
    get = f"GET http://{HOST}:{secret['closed']}/ HTTP/1.1\r\n".encode()
    return [
        lambda: b"",
        lambda: chance.randbytes(chance.randrange(1, 500)),
        lambda: (text := chance.choice((socks5, socks4, get)))[:chance.randrange(1, len(text))],
        lambda: chance.choice((b"\5\0", b"\5\1\xff", b"\5\xff" + bytes(range(1, 256)), b"\5\2\1\2")) + chance.randbytes(9),
        lambda: b"\5\1\0" + chance.randbytes(chance.randrange(1, 40)),
        lambda: b"\5\1\0\5" + bytes([chance.choice((0, 4, 9, 255)), chance.randrange(2), chance.randrange(256)]) + there,
        lambda: name(chance.choice((0, 1, 63, 255))),
        lambda: b"\4" + bytes([chance.randrange(256)]) + chance.randbytes(chance.randrange(300)) + b"\0",
        lambda: b"\4\1\0\x50\0\0\0\1" + b"u" * chance.choice((1000, 100_000)) + b"\0" + b"h" * chance.choice((300, 100_000)),
        lambda: chance.choice(secret["smuggled"]),
        lambda: get + b"X: y\r\n" * chance.choice((100, 3000, 20_000)),
        lambda: get + b"X: " + b"y" * chance.choice((10_000, 200_000)) + b"\r\n\r\n",
        lambda: b"GET http://" + b"a" * chance.choice((300, 100_000)) + b"/ HTTP/1.1\r\n\r\n",
        lambda: get + b"Transfer-Encoding: chunked\r\n\r\n" + chance.choice((b"FFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"5\r\nabcdefgh")),
        lambda: socks5 + chance.randbytes(2000),
        lambda: b"\x16\3\1" + chance.randbytes(200),
    ][chance.randrange(16)]()


# The attack

def address(chance): return f"127.0.0.{chance.randrange(1, 250)}"


def tell(told, job, *arguments): told.put(job(*arguments))  # in a process of its own


def friends(port, secret, count):
    """Abuse by logged-in users: how many packets it was."""
    def flood(connection):
        while True: connection.sendall(bytes(1 << 16))

    secret = {**secret, "flood": serve(flood)}
    body = lambda number: friend(port, random.Random(f"{count} {number}"), secret)
    return Counter(packets=sum(parallel(max(count // 200, 27), 4, body)))


def strangers(make, port, secret, count, seed):
    """How many strangers had which odd end."""
    def one(number):
        chance = random.Random(f"{seed} {number}")
        try:
            with dial(port, 1.5, source=address(chance)) as connection:
                text = make(chance, secret)
                if len(text) > 1 and chance.random() < 0.2:  # in two parts
                    cut = chance.randrange(1, len(text))
                    connection.sendall(text[:cut])
                    text = text[cut:]
                connection.sendall(text)
                way = chance.randrange(4)
                if way == 0: abort(connection)
                elif way == 1: connection.recv(4096)
                elif way == 2:
                    connection.shutdown(socket.SHUT_WR)
                    receive_all(connection)
        except TimeoutError:
            return "held"  # neither answered nor closed for a while: slow starters may be for `handshake`
        except OSError as error:
            told = isinstance(error, (ConnectionResetError, BrokenPipeError)) or error.errno == errno.ENOTCONN
            return None if told else repr(error)
    results = parallel(count, 48, one)
    return Counter(filter(None, results))


def attack(hold, what, make, port, processes, secret, poll, friendly=False):
    """Attacks in portions; what is there after the first one has warmed everything up has to be there after the last."""
    count = hold.scaled(100_000)
    warm = max(count // 5, 1000)
    times, failures, done, told = [], [], threading.Event(), multiprocessing.Queue()

    def honest():
        while not done.wait(0.2):
            try:
                times.append(poll())
            except Exception as error:
                failures.append(f"{type(error).__name__} {error}")

    def portion(seed, count):
        jobs = [(strangers, make, port, secret, count, seed)] + ([(friends, port, secret, count)] if friendly else [])
        workers = [multiprocessing.Process(target=tell, args=(told, *job)) for job in jobs]
        for worker in workers: worker.start()
        results = Counter()
        for worker in workers: results += told.get(timeout=1800)
        for worker in workers: worker.join()
        return results

    slow = [dial(port, 60) for _ in range(200)]
    for connection in slow: connection.sendall(b"j" if what == "jproxy" else b"\5")
    user = threading.Thread(target=honest)
    portion(1, warm)
    time.sleep(11)  # `handshake` is over for the last of them
    closed = sum(ended(connection) for connection in slow)
    hold.check(f"{what}: slow starters are closed", closed == len(slow), f"{closed} of {len(slow)}")
    for connection in slow: connection.close()
    before, rss = [p.descriptors() for p in processes], [p.rss() for p in processes]
    user.start()
    start = time.monotonic()
    results = portion(2, count)
    seconds = time.monotonic() - start
    done.set(), user.join()
    packets, held = results.pop("packets", 0), results.pop("held", 0)
    hold.check(f"{what}: {count} strangers", not results, f"{packets} packets after real logins, {seconds:.0f} s, "
               f"{held} not answered within 1.5 s, odd: {dict(results)}")
    hold.check(f"{what}: alive", all(p.alive() for p in processes))
    hold.check(f"{what}: the honest user is served", times and not failures and max(times) < 2, f"{len(times)} requests, "
               f"{sorted(times)[len(times) // 2] * 1000:.0f} ms in the middle, {max(times, default=0) * 1000:.0f} ms at most, "
               f"failures: {len(failures)} {failures[:2]}")
    settled(hold, f"{what}: nothing left open", processes, before, 20)
    after = [p.rss() for p in processes]
    hold.check(f"{what}: memory", all(a - b < 40 for a, b in zip(after, rss)),
               f"MiB {[round(n) for n in rss]} before, {[round(n) for n in after]} after, "
               f"{[round(p.peak()) for p in processes]} at most")


def ended(connection):
    """Whether the other side has closed."""
    connection.settimeout(0.001)
    try:
        while connection.recv(4096): pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def tunnel(hold):
    origin, server = Origin.start(), hold.server(extra="log: { level: notice }")
    client = hold.client(server)
    file = hold.key().read_bytes()
    size, = struct.unpack(">I", file[:4])
    (hold.folder / "der").write_bytes(file[4:4 + size])

    port, keeper = closed_port()
    secret = {"hash": file[4 + size:], "key": str(hold.folder / "der"), "closed": port}
    attack(hold, "jproxy", jproxy_stranger, server.port("tunnel"), [server, client], secret,
           lambda: fetch(client.port(), origin), friendly=True)
    hold.check("jproxy: the honest user's tunnel never fell", client.log().count("tunnel up") == 1)


def front(hold):
    origin, direct = Origin.start(), hold.direct(extra="log: { level: notice }")
    watched = serve(record)
    for text in smuggled(watched):
        with dial(direct.port(), 3) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
                answer = receive_all(connection)
                if not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) and answer:
                    hold.check("front: an ambiguous request is refused", False, f"{text[:150]} got {answer[:60]}")
    hold.check("front: no ambiguous request reaches an origin", not SEEN, f"{len(SEEN)} did {SEEN[:2]}")
    port, keeper = closed_port()
    secret = {"closed": port, "smuggled": smuggled(watched)}
    attack(hold, "front", front_stranger, direct.port(), [direct], secret, lambda: fetch(direct.port(), origin))
    hold.check("front: still none", not SEEN, f"{len(SEEN)} {SEEN[:2]}")


hold = Hold(__doc__)
hold.run(tunnel, front)
