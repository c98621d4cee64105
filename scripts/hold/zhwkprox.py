#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An inter-server and the exits that dial it: bytes whole, one destination in turns, ends that die, false friends."""

import hmac, itertools, json, random, resource
from collections import Counter
from common import *

KEY, VECTOR = b"samplekeytomatch", bytes(range(16))  # the public ones
BOTH = ("on", "off")


class Tunnel:
    """An inter-server and its exits."""

    def __init__(self, hold, extension="on", number=1, shared=False, port=0, **keys):
        self.hold, self.extension, self.shared, self.keys = hold, extension, shared, keys
        self.inter = self.listen(tunnel=port)
        self.exits = [self.exit() for _ in range(number)]

    def listen(self, browser=0, tunnel=0):
        place = "sharedWith: browser" if self.shared else f"listen: \"{HOST}:{tunnel}\""
        return self.hold.start("inter", f"""
inbounds: [ {{ name: browser, type: mixed, listen: "{HOST}:{browser}", to: exit }} ]
outbounds: [ {{ name: exit, type: zhwkprox, {place}, extension: {self.extension}{more(self.keys)} }} ]""")

    def exit(self, up=True):
        before = self.ups()
        process = start_exit(self.hold, f"- {{ name: exit, type: zhwkprox, dial: \"{HOST}:{self.port()}\", idle: 20s, "
                                        f"extension: {self.extension} }}")
        if up and not wait(lambda: self.ups() > before, 20, 0.002):
            raise RuntimeError(f"no tunnel: {process.log()[-300:]!r}")
        return process

    def front(self): return self.inter.port("browser")
    def port(self): return self.inter.port("browser" if self.shared else "exit")
    def ups(self): return self.inter.log().count("tunnel up")
    def processes(self): return [self.inter, *self.exits]

    def kill(self):
        for process in self.processes(): process.kill()


def start_exit(hold, inbounds):
    process = Warren(hold, "exit", f"inbounds:\n  {inbounds}\negress: {{ allow: [loopback] }}", ready=False)
    hold.processes.append(process)
    return process


# Bytes

def curl(port, *arguments, seconds=300):
    """Through the front: (exit code, SHA-256 of the body, body if short, errors, seconds)."""
    start = time.monotonic()
    # Where the extension is off, a destination is free again when its server has closed.
    process = subprocess.Popen(["curl", "-sS", "--noproxy", "", "-m", str(seconds), "-H", "Connection: close",
                                "--socks5-hostname", f"{HOST}:{port}", *map(str, arguments)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    digest, body = hashlib.sha256(), b""
    while piece := process.stdout.read1(MIB):
        digest.update(piece)
        body = (body + piece)[:200]
    errors = process.stderr.read().decode().strip()
    process.stdout.close(), process.stderr.close()
    return process.wait(), digest.hexdigest(), body, errors, time.monotonic() - start


def transfer(hold):
    size, origin = hold.scaled(500, 50) * MIB, Origin.start()
    file, digest = hold.folder / "big", hashlib.sha256()
    with open(file, "wb") as out:
        for number in range(size // MIB):
            digest.update(piece := content(number, MIB))
            out.write(piece)
    Origin.big["big"], digest = file, digest.hexdigest()
    for extension in BOTH:
        tunnel = Tunnel(hold, extension)
        for what, words in {"down": [], "up": ["-T", file]}.items():
            code, seen, body, errors, seconds = curl(tunnel.front(), *words, f"http://{HOST}:{origin}/big/{size}")
            same = code == 0 and digest == (body.decode() if words else seen)
            hold.check(f"extension {extension}: {size >> 20} MiB {what}, SHA-256 equal", same,
                       f"{seconds:.2f} s, {size / 1e6 / seconds:.0f} MB/s {errors}")
        tunnel.kill()
    file.unlink()


def crowd(hold):
    count, origins = hold.scaled(200, 60), [Origin.start() for _ in range(20)]
    for extension in BOTH:
        size = MIB if extension == "off" else hold.scaled(3 * MIB, MIB)
        tunnel = Tunnel(hold, extension)

        def one(number):
            path = f"/crowd{extension}{number}/{size}"
            code, seen, *_, errors, _ = curl(tunnel.front(), f"http://{HOST}:{origins[number % 20]}{path}")
            good = code == 0 and seen == hashlib.sha256(content(f"crowd{extension}{number}", size)).hexdigest()
            return None if good else f"{code} {errors}"

        start = time.monotonic()
        wrong = [result for result in parallel(count, count, one) if result]
        hold.check(f"extension {extension}: {count} downloads at once from 20 ports", not wrong,
                   f"{len(wrong)} wrong of {size} bytes each, {time.monotonic() - start:.1f} s {wrong[:3]}")
        tunnel.kill()


def greeting(hold):
    """Targets that speak first: to users who listen, and to users who then answer."""
    numbers = itertools.count()

    def greet(connection):
        connection.settimeout(0.5)
        connection.sendall(struct.pack(">I", number := next(numbers)) + content(f"greeting {number}", 5000))
        with contextlib.suppress(TimeoutError):
            connection.sendall(receive(connection, 10)[::-1])

    target = serve(greet)
    for extension in BOTH:
        tunnel, wrong, slowest = Tunnel(hold, extension), [], 0
        for number in range(count := hold.scaled(40, 10)):
            start = time.monotonic()
            with socks5(tunnel.front(), target, 5) as connection:
                told, = struct.unpack(">I", receive(connection, 4))
                slowest = max(slowest, time.monotonic() - start)
                if receive(connection, 5000) != content(f"greeting {told}", 5000): wrong.append(f"{number}: greeting")
                word = content(number, 10)
                if number % 2: connection.sendall(word)
                if receive_all(connection) != (word[::-1] if number % 2 else b""): wrong.append(f"{number}: answer")
        hold.check(f"extension {extension}: {count} targets that speak first", not wrong,
                   f"first byte after {slowest * 1000:.0f} ms at most, wrong: {len(wrong)} {wrong[:3]}")
        tunnel.kill()


def refusals(hold):
    port, keeper = closed_port()
    for extension in BOTH:
        tunnel, ends = Tunnel(hold, extension), []
        for number in range(count := 10):
            start = time.monotonic()
            try:
                with socks5(tunnel.front(), port, 5) as connection:
                    if number % 2: connection.sendall(b"hello?")
                    ends.append(("clean end" if not connection.recv(1) else "bytes", time.monotonic() - start))
            except (Refused, OSError) as error:
                how = f"SOCKS {error}" if isinstance(error, Refused) else type(error).__name__
                ends.append((how, time.monotonic() - start))
        expected = "SOCKS 5" if extension == "on" else "ConnectionResetError"
        slowest = max(seconds for _, seconds in ends)
        hold.check(f"extension {extension}: a refused target is told within a second",
                   all(how == expected for how, _ in ends) and slowest < 1,
                   f"{dict(Counter(how for how, _ in ends))}, {slowest * 1000:.0f} ms at most of {count}")
        for what, target, known in (("unknown", "nope.invalid:80", "(4)"), ("forbidden", "10.0.0.1:80", "(2)")):
            code, _, _, errors, seconds = curl(tunnel.front(), f"http://{target}/", seconds=10)
            mute = extension == "off" and what == "forbidden"  # the deployed protocol has no word for it
            good = code in (52, 56) if mute else code == 97 and known in errors
            hold.check(f"extension {extension}: {what} target", good and seconds < 1, f"{seconds:.2f} s {errors}")
        tunnel.kill()
    keeper.close()


# One destination, one user at a time

ASK = struct.Struct(">IIB")  # the number that makes the answer, its length, and whether the server pauses in its middle


def answer(connection):
    connection.settimeout(0.3)  # for users who leave without having asked
    number, size, pauses = ASK.unpack(receive(connection, ASK.size))
    reply = content(f"answer {number}", size)
    connection.sendall(reply[:size // 2])
    if pauses: time.sleep(0.05)
    connection.sendall(reply[size // 2:])


def ask(port, target, number, leaves=True):
    """One user; what went wrong, or None. `leaves`: five of 16 go before their time."""
    chance = random.Random(number)
    way = chance.randrange(16) if leaves else 16
    size = chance.choice((0, 1, 100, 8000, 8192, 40_000, 150_000)) + (20_000 if way in (3, 4) else 0)
    expected = content(f"answer {number}", size)
    request = ASK.pack(number, size, way in (3, 5))
    with socks5(port, target, 20) as connection:
        if way == 0: return abort(connection)  # nothing said
        if way == 1:
            connection.sendall(request[:4])
            return abort(connection)
        connection.sendall(request)
        if way == 2: return abort(connection)  # while the answer is on its way
        if way in (3, 4):
            seen = receive(connection, chance.randrange(1, 10_000))
            abort(connection) if way == 3 else connection.close()
            return None if expected.startswith(seen) else "foreign bytes before leaving"
        try:
            seen = receive_all(connection)
        except ConnectionResetError:
            if size: raise
            return None  # an end without a byte and a refusal are one and the same in this protocol
        if seen == expected: return None
        return f"{len(seen)} of {size} bytes" if expected.startswith(seen) else "foreign bytes"


def tried(*arguments):
    try:
        return ask(*arguments)
    except (OSError, EOFError, Refused) as error:
        return f"{type(error).__name__} {error}"


def in_turns(hold):
    tunnel = Tunnel(hold, "off")
    target = serve(answer)
    ask(tunnel.front(), target, 99, False)
    files = [p.descriptors() for p in tunnel.processes()]
    count, start = hold.scaled(1_000), time.monotonic()
    wrong = Counter(filter(None, (tried(tunnel.front(), target, number) for number in range(count))))
    seconds = time.monotonic() - start
    hold.check(f"extension off: {count} users of one destination, one after the other, a third leaves early", not wrong,
               f"{seconds / count * 1000:.0f} ms each, wrong: {dict(wrong.most_common(4))}")
    count, start = hold.scaled(400, 64), time.monotonic()
    many = lambda number: tried(tunnel.front(), target, 10_000 + number)
    wrong = Counter(filter(None, parallel(count, 16, many)))
    seconds = time.monotonic() - start
    hold.check(f"extension off: {count} users of one destination, 16 at once", not wrong,
               f"{seconds / count * 1000:.0f} ms each, wrong: {dict(wrong.most_common(4))}")
    settled(hold, "extension off: nothing left open", tunnel.processes(), files, 25)
    crossing(hold, tunnel, target)
    tunnel.kill()


def crossing(hold, tunnel, target):
    """Users who go on asking while their connection ends: the exit connects anew, and the answers are nobody's."""
    wrong, before = Counter(), streams_of(tunnel.exits[0])
    for number in range(count := hold.scaled(300, 30)):
        with contextlib.suppress(OSError, EOFError), socks5(tunnel.front(), target, 20) as connection:
            for _ in range(1 + number % 40):
                connection.sendall(ASK.pack(50_000 + number, 2000, 0))
                if number % 3: time.sleep(number % 3 * 0.00005)
            abort(connection)
        if said := tried(tunnel.front(), target, 20_000 + number, False): wrong[said] += 1
    anew = streams_of(tunnel.exits[0]) - before - 2 * count
    hold.check(f"extension off: {count} users after one who asked on across the end", not wrong,
               f"{anew} connections made anew, wrong: {dict(wrong.most_common(4))}")


# Ends that die

def drip(connection):
    for start in itertools.count(0, 1000):
        connection.sendall(ENDLESS[start % MIB:start % MIB + 1000])
        time.sleep(0.05)


class Running:
    """Streams in the middle of something, one to each of the ports."""

    def __init__(self, front, ports):
        self.ends, self.connections = [], []
        for port in ports:
            self.connections.append(socks5(front, port, 60))
            receive(self.connections[-1], 1000)
        self.threads = [threading.Thread(target=self.watch, args=(c,), daemon=True) for c in self.connections]
        for thread in self.threads: thread.start()

    def watch(self, connection):
        try:
            while connection.recv(1 << 16): pass
            how = "clean end"
        except OSError as error:
            how = type(error).__name__
        self.ends.append((time.monotonic(), how))

    def check(self, hold, what, killed, how="ConnectionResetError"):
        for thread in self.threads: thread.join(5)
        last = max((at for at, _ in self.ends), default=killed + 99) - killed
        kinds = Counter(how for _, how in self.ends)
        hold.check(f"{what}: running streams end at once", kinds == {how: len(self.threads)} and last < 1,
                   f"{dict(kinds)} of {len(self.threads)} within {last * 1000:.0f} ms")
        for connection in self.connections: connection.close()


def lost(hold):
    ports, origin = [serve(drip) for _ in range(30)], Origin.start()
    plan = [("on", 0), ("on", 1), ("off", 1), ("on", 5), ("on", 20)]
    for extension, away in plan[:3] if hold.quick else plan:
        exit_dies(hold, extension, away, ports, origin)
        inter_dies(hold, extension, away, ports, origin)


def served_again(hold, what, front, origin, back):
    failures = Counter()
    while time.monotonic() < back + 10:
        try:
            fetch(front(), origin)
            break
        except (Refused, EOFError, OSError) as error:
            failures[repr(error)] += 1
            time.sleep(0.01)
    took = time.monotonic() - back
    return hold.check(f"{what}: served within 2 s of its return", took < 2,
                      f"{took:.2f} s, before: {dict(failures.most_common(2))}")


def exit_dies(hold, extension, away, ports, origin):
    tunnel, what = Tunnel(hold, extension), f"extension {extension}, exit away for {away} s"
    fetch(tunnel.front(), origin)
    running = Running(tunnel.front(), ports)
    killed, slowest, told = time.monotonic(), 0, Counter()
    tunnel.exits[0].kill()
    running.check(hold, what, killed)
    for _ in range(20):
        start = time.monotonic()
        try:
            fetch(tunnel.front(), origin)
            told["served"] += 1
        except (Refused, EOFError, OSError) as error:
            told[repr(error)] += 1
        slowest = max(slowest, time.monotonic() - start)
    hold.check(f"{what}: users are told at once", slowest < 0.1 and all(word.startswith("Refused") for word in told),
               f"{dict(told)}, {slowest * 1000:.1f} ms at most")
    time.sleep(max(0, killed + away - time.monotonic()))
    back = time.monotonic()
    tunnel.exits[0] = tunnel.exit(up=False)
    served_again(hold, what, tunnel.front, origin, back)
    tunnel.kill()


def inter_dies(hold, extension, away, ports, origin):
    tunnel, what = Tunnel(hold, extension), f"extension {extension}, inter-server away for {away} s"
    running = Running(tunnel.front(), ports)
    files = wait(lambda: tunnel.exits[0].descriptors(), 1)
    browser, port = tunnel.front(), tunnel.port()
    killed = time.monotonic()
    tunnel.inter.kill()
    running.check(hold, what, killed, "clean end")  # by the system, as these are sockets of the one that died
    time.sleep(max(0, killed + away - time.monotonic()))
    tunnel.inter = tunnel.listen(browser, port)
    served_again(hold, what, tunnel.front, origin, time.monotonic())
    hold.check(f"{what}: the exit has let go of its targets",
               wait(lambda: tunnel.exits[0].descriptors() <= files - len(ports) + 2, 5),
               f"descriptors {files} before, {tunnel.exits[0].descriptors()} after")
    tunnel.kill()


# Several exits

def paced(connection):
    for start in range(0, PACED, 20_000):
        connection.sendall(ENDLESS[start % MIB:start % MIB + 20_000])
        time.sleep(0.02)


PACED = 2_000_000  # bytes, in two seconds at least


def drink_paced(front, port):
    try:
        with socks5(front, port, 20) as connection:
            got = drink(connection)
            return "whole" if got == PACED else f"{got} bytes"
    except ConnectionResetError:
        return "reset"


def streams_of(process): return process.log().count(" stream ")


def several(hold):
    origins, ports = [Origin.start() for _ in range(24)], [serve(paced) for _ in range(24)]
    for extension in BOTH: pooled(hold, extension, origins, ports)
    taken_over(hold, origins[0], ports[0])
    first_stays(hold, origins[0])


def everywhere(front, origins, rounds):
    """What went wrong of so many fetches from each."""
    def one(number):
        try:
            fetch(front, origins[number % len(origins)], f"/{number}/20000")
        except Exception as error:
            return repr(error)
    return [said for said in parallel(rounds * len(origins), 24, one) if said]


def pooled(hold, extension, origins, ports):
    tunnel = Tunnel(hold, extension, 2, exits="pool")
    results = []
    threads = [threading.Thread(target=lambda port=port: results.append(drink_paced(tunnel.front(), port))) for port in ports]
    for thread in threads: thread.start()
    time.sleep(0.7)
    tunnel.exits[0].kill()
    wait(lambda: "reset" in results, 2)
    at_once = len(results)
    wrong = everywhere(tunnel.front(), origins, hold.scaled(10, 2))
    for thread in threads: thread.join(30)
    kinds = Counter(results)
    hold.check(f"pool, extension {extension}: an exit that dies ends its streams and no others",
               set(kinds) == {"reset", "whole"} and sum(kinds.values()) == 24, f"{dict(kinds)}")
    hold.check(f"pool, extension {extension}: new streams go to the other", not wrong, f"{len(wrong)} wrong {wrong[:2]}")
    tunnel.exits.append(tunnel.exit())
    time.sleep(0.2)
    wrong = everywhere(tunnel.front(), origins, 2)
    wait(lambda: streams_of(tunnel.exits[2]) > 0, 5)
    shares = [streams_of(p) for p in tunnel.exits[1:]]
    hold.check(f"pool, extension {extension}: a new exit takes its share", not wrong and shares[1] > 0,
               f"streams so far {shares}, {len(wrong)} wrong {wrong[:2]}")
    tunnel.kill()


def taken_over(hold, origin, port):
    tunnel = Tunnel(hold, exits="newest")
    result = []
    thread = threading.Thread(target=lambda: result.append(drink_paced(tunnel.front(), port)))
    thread.start()
    time.sleep(0.3)
    tunnel.exits.append(tunnel.exit())
    fetch(tunnel.front(), origin)
    new = wait(lambda: streams_of(tunnel.exits[1]) == 1, 5)
    thread.join(30)
    hold.check("newest: the new exit takes new streams, the old one keeps its own", new and result == ["whole"],
               f"{result}, streams {[streams_of(p) for p in tunnel.exits]}")
    tunnel.exits[1].kill()
    wait(lambda: "other exits are left" in tunnel.inter.log(), 2, 0.001)
    wrong = everywhere(tunnel.front(), [origin], 20)
    hold.check("newest: when it dies, the old one serves again", not wrong, f"{len(wrong)} wrong {wrong[:2]}")
    tunnel.kill()


def first_stays(hold, origin):
    tunnel = Tunnel(hold, exits="first")
    tunnel.exits.append(tunnel.exit(up=False))
    time.sleep(3)
    wrong = everywhere(tunnel.front(), [origin], 20)
    hold.check("first: a second exit is turned away", tunnel.ups() == 1 and not wrong and not streams_of(tunnel.exits[1]),
               f"{tunnel.ups()} logins, {len(wrong)} wrong {wrong[:2]}")
    tunnel.exits[0].kill()
    back = time.monotonic()
    if served_again(hold, "first: when it goes, the second is let in", tunnel.front, origin, back):
        hold.check("first: by the second", wait(lambda: streams_of(tunnel.exits[1]), 5))
    tunnel.kill()


# False exits

def marked_challenge():
    """One that says: this exit knows the extension."""
    nonce = os.urandom(14)
    return (nonce + hmac.digest(KEY, b"warren zhwkprox 1 exit" + nonce, "sha256")[:8]).hex()


def load(hold, port, count, *words):
    tool = hold.folder / "zhwkload"
    if not tool.exists():
        source = pathlib.Path(__file__).parent / "zhwkload.c"
        subprocess.run(["cc", "-O2", "-pthread", "-o", tool, source], check=True)
    words = [tool, "--port", port, "--count", count, "--challenge", marked_challenge(), *words]
    return json.loads(subprocess.run(list(map(str, words)), check=True, stdout=subprocess.PIPE).stdout)


class Poll:
    """Honest users who ask again and again."""

    def __init__(self, body, users=1):
        self.body, self.times, self.failures, self.done = body, [], Counter(), threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(users)]
        for thread in self.threads: thread.start()

    def run(self):
        while not self.done.wait(0.02):
            try:
                self.times.append(self.body())
            except Exception as error:
                self.failures[f"{type(error).__name__} {error}"] += 1

    def stop(self):
        self.done.set()
        for thread in self.threads: thread.join()
        return (f"{len(self.times)} requests, {sorted(self.times)[len(self.times) // 2] * 1000:.0f} ms in the middle, "
                f"{max(self.times) * 1000:.0f} ms at most, " if self.times else "none served, ") + \
            f"failures: {sum(self.failures.values())} {dict(self.failures.most_common(2))}"


def false_exits(hold):
    """An honest exit that is there first, and then many who are none."""
    besieged(hold, "first", hold.scaled(200_000, 10_000), True)
    besieged(hold, "first", hold.scaled(50_000, 5_000), True, shared=True)
    besieged(hold, "newest", hold.scaled(50_000, 5_000), True, allow="[127.0.0.1/32]")
    besieged(hold, "newest", hold.scaled(100_000, 5_000), False)
    besieged(hold, "pool", hold.scaled(100_000, 5_000), False)


def besieged(hold, choice, count, served, shared=False, **keys):
    """`served`: the honest exit is never replaced, so that no user may notice anything."""
    tunnel, origin = Tunnel(hold, shared=shared, exits=choice, **keys), Origin.start()
    what = f"false exits, {choice}{', one port' if shared else ''}{', allow' if keys else ''}"
    slow = []
    for number in range(200 if not keys else 0):
        with contextlib.suppress(OSError):
            slow.append(dial(tunnel.port(), 60))
            slow[-1].sendall(b"\x80\1\0"[:number % 3 + (not shared)] or b"\x80")
    load(hold, tunnel.port(), max(count // 5, 2000), "--aim", origin)
    time.sleep(11)  # `handshake` is over for the last of them
    closed = sum(ended(connection) for connection in slow)
    hold.check(f"{what}: slow starters are closed", closed == len(slow), f"{closed} of {len(slow)}")
    for connection in slow: connection.close()
    for process in tunnel.processes(): process.reset_peak()
    fetch(tunnel.front(), origin)
    files, rss = [p.descriptors() for p in tunnel.processes()], [p.rss() for p in tunnel.processes()]
    user = Poll(lambda: fetch(tunnel.front(), origin, seconds=5 if served else 1), 1 if served else 8)
    got = load(hold, tunnel.port(), count, "--seed", 2, "--aim", origin)
    numbers = user.stop()
    hold.check(f"{what}: {count} sessions", not got["other"] and got["unconnected"] < count / 1000, got)
    hold.check(f"{what}: alive, and one tunnel all the while" if served else f"{what}: alive",
               all(p.alive() for p in tunnel.processes())
               and (not served or tunnel.exits[0].log().count("tunnel up") == 1))
    if served: hold.check(f"{what}: users are served", user.times and not user.failures and max(user.times) < 2, numbers)
    else: print(f"     {what}: users meanwhile: {numbers}")
    start, again = time.monotonic(), Counter()
    while again["served"] < 20 and time.monotonic() < start + 10:
        try:
            fetch(tunnel.front(), origin)
            again["served"] += 1
        except Exception as error:
            again[repr(error)] += 1
            time.sleep(0.02)
    hold.check(f"{what}: served afterwards", again["served"] == 20 and time.monotonic() - start < 5,
               f"{time.monotonic() - start:.2f} s, {dict(again)}")
    settled(hold, f"{what}: nothing left open", tunnel.processes(), files, 20)
    after = [p.rss() for p in tunnel.processes()]
    hold.check(f"{what}: memory", all(a - b < 16 for a, b in zip(after, rss)),
               f"MiB {[round(n) for n in rss]} before, {[round(n) for n in after]} after, "
               f"{[round(p.peak()) for p in tunnel.processes()]} at most")
    tunnel.kill()


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


# False inter-servers

def encrypted(text):
    command = ["openssl", "enc", "-aes-128-cfb", "-K", KEY.hex(), "-iv", VECTOR.hex()]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout


def proof(chance, challenge, extended):
    """What proves that the key is known, to an exit that it has sent this challenge."""
    suffix = chance.randbytes(chance.randrange(24))
    if extended: suffix += hmac.digest(KEY, b"warren zhwkprox 1 inter" + challenge + suffix, "sha256")[:8]
    text = encrypted(challenge + suffix)
    return bytes([len(text) % 256]) + text


def get(place, port, data=b"", said=None):
    count = len(data) if said is None else said
    return b"\4" + socket.inet_aton(place) + struct.pack(">H", port) + struct.pack("<I", count) + data


def plain_abuse(chance, secret):
    """Bytes for an exit in the deployed protocol."""
    spread = lambda: f"127.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
    near = lambda: f"127.0.0.{chance.randrange(1, 255)}"
    return [
        lambda: chance.randbytes(chance.randrange(1, 5000)),
        lambda: get(HOST, secret["sink"], chance.randbytes(50_000), 0xFFFFFFFF),
        lambda: bytes([chance.choice((0, 5, 7, 255))]) + chance.randbytes(100),
        lambda: b"".join(get(spread(), chance.randrange(1, 65536)) for _ in range(5000)),
        lambda: b"".join(get(near(), secret["flood"], b"x") for _ in range(2000)),  # all of them talkative, nobody reads
        lambda: b"".join(get(near(), secret["sink"], chance.randbytes(2000)) for _ in range(500)),
        lambda: b"".join(get(HOST, secret["closed"], b"again") for _ in range(5000)),
        lambda: get(HOST, secret["sink"], chance.randbytes(1000), 1 << 20),  # and the rest never comes
        lambda: get(HOST, secret["flood"])[:chance.randrange(1, 11)],
        lambda: (b"\6" + bytes(10) + b"\xff\xff\x7f\0\0\1" + struct.pack(">HI", secret["flood"], 0)) * 500,
    ][chance.randrange(10)]()


def extended_abuse(chance, secret):
    """The same for one that speaks the extension."""
    word = lambda n: struct.pack(">I", n)
    place = lambda port: socket.inet_aton(HOST) + struct.pack(">H", port)
    to = lambda id, port, window=0xFFFFFFFF: b"\xe4" + word(id) + word(window) + place(port)
    data = lambda id, count, said=None: b"\xe1" + word(id) + word(count if said is None else said) + chance.randbytes(count)
    many = range(1, 3000)
    return [
        lambda: chance.randbytes(chance.randrange(1, 5000)),
        lambda: b"".join(to(id, secret["closed"]) for id in many),
        lambda: b"".join(to(id, secret["flood"]) for id in many),  # all of them talkative, nobody reads
        lambda: b"".join(to(id, secret["sink"], 1 << 20) + data(id, 1000) for id in many[:300]),  # before it is open
        lambda: to(5, secret["sink"]) + to(5, secret["sink"]),
        lambda: to(1, secret["flood"]) + b"\xe2" + word(1) + word(0xFFFFFFFF),
        lambda: to(1, secret["sink"]) + data(1, 1000, 0xFFFFFFFF),
        lambda: b"".join(b"\xe3" + word(id) for id in many),
        lambda: b"".join(to(id, secret["flood"]) + b"\xe5" + word(id) + b"\1" for id in many),
        lambda: b"".join(b"\xe7" + chance.randbytes(8) for _ in range(8000)),  # each wants an answer, nobody reads
        lambda: b"\xe0" + word(1) + b"\0" + word(1 << 20),
        lambda: b"".join(to(0xFFFFFFFF - id, secret["sink"]) for id in reversed(many)) + to(7, secret["sink"]),
    ][chance.randrange(12)]()


def false_inter(connection, chance, secret):
    """One session of somebody whom an exit takes for its inter-server; what it was."""
    connection.settimeout(12)
    receive(connection, 3)
    kind = chance.randrange(24)
    if kind == 0: return b"" == connection.recv(1) and "silent"
    if kind == 1: return connection.sendall(chance.randbytes(chance.randrange(1, 2000))) or "garbage"
    if kind == 2: return connection.sendall(bytes([chance.randrange(0x80)]) + bytes(500)) or "wrong byte"
    connection.sendall(b"\x80")
    challenge = receive(connection, receive(connection, 1)[0])
    if kind == 3: return b"" == connection.recv(1) and "no proof"
    if kind == 4: return connection.sendall(bytes([chance.randrange(256)]) + chance.randbytes(600)) or "wrong proof"
    extended = chance.random() < 0.6
    right = proof(chance, challenge, extended)
    if kind == 5: return connection.sendall(right[:chance.randrange(1, 20)]) or "half a proof"
    if kind == 6: connection.sendall(bytes([chance.randrange(256)]) + right[1:])  # a size that is not true
    elif kind == 7:
        for byte in right: connection.sendall(bytes([byte]))
    abuse = b"".join((extended_abuse if extended else plain_abuse)(chance, secret) for _ in range(chance.randrange(1, 4)))
    if kind == 8: connection.sendall(right + abuse)
    elif kind > 8: connection.sendall(right)
    if receive(connection, 1) == b"\0": return "denied"
    if kind != 8: connection.sendall(abuse)
    time.sleep(chance.random() * 0.5)
    if chance.random() < 0.3: connection.recv(1 << 16)
    return "extended" if extended else "plain"


def hostile_server(told, secret):
    """Takes exits and abuses them, in a process of its own; tells its port, then what each session was."""
    numbers, chances = itertools.count(), random.Random(5)

    def one(connection):
        chance, what = random.Random(f"inter {next(numbers)}"), "broken off"
        try:
            what = false_inter(connection, chance, secret) or "broken off"
            if chance.random() < 0.5: abort(connection)
        except TimeoutError: what = "held for 12 s"
        finally: told.put(what)

    told.put(serve(one))
    threading.Event().wait()


def false_inters(hold):
    def flood(connection):
        while True: connection.sendall(bytes(1 << 16))

    def sink(connection):
        while connection.recv(1 << 16): pass

    secret = {"flood": serve_apart(flood, host="0.0.0.0"), "sink": serve_apart(sink, host="0.0.0.0")}
    told = multiprocessing.SimpleQueue()
    villain = multiprocessing.Process(target=hostile_server, args=(told, secret), daemon=True)
    secret["closed"], keeper = closed_port()
    villain.start()
    port, origin, honest = told.get(), Origin.start(), Tunnel(hold, number=0)
    door = lambda name, port, more="": f"- {{ name: {name}, type: zhwkprox, dial: \"{HOST}:{port}\"{more} }}"
    doors = [door(f"door{n}", port, ", extension: off" if n % 4 == 3 else "") for n in range(40)]
    exit = start_exit(hold, "\n  ".join([door("honest", honest.port()), *doors]))
    wait(honest.ups, 10)
    seen, most = Counter(), 0

    def portion(seconds):
        nonlocal most
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while not told.empty(): seen[told.get()] += 1
            most = max(most, exit.descriptors())
            time.sleep(0.02)

    portion(hold.scaled(60, 10))  # until it has seen all kinds
    rss = exit.rss()
    seen.clear()
    user = Poll(lambda: fetch(honest.front(), origin))
    portion(hold.scaled(60, 12))
    numbers = user.stop()
    hold.check(f"false inter-servers: {sum(seen.values())} sessions", exit.alive() and sum(seen.values()) > 30, dict(seen))
    hold.check("false inter-servers: users of the honest one are served", user.times and not user.failures
               and max(user.times) < 2 and exit.log().count("tunnel up inbound=honest") == 1, numbers)
    villain.terminate(), villain.join()
    quiet = wait(lambda: exit.descriptors() <= 60, 20, 0.1)
    hold.check("false inter-servers: descriptors come back", quiet, f"{most} at most, {exit.descriptors()} after")
    time.sleep(3)
    # What the allocator keeps for the next time is no growth.
    grows = not hold.quick and exit.rss() - rss >= 40
    hold.check("false inter-servers: memory is bounded", exit.peak() < 400 and not grows,
               f"MiB {rss:.0f} after the first portion, {exit.rss():.0f} after the second, {exit.peak():.0f} at most")
    back = time.monotonic()
    friend = Tunnel(hold, number=0, port=port, exits="pool")
    wait(lambda: friend.ups() == 40, 10, 0.01)
    took = time.monotonic() - back
    wrong = everywhere(friend.front(), [origin], 20)
    hold.check("false inter-servers: all doors find an honest one in their place",
               friend.ups() == 40 and took < 4 and not wrong,
               f"{friend.ups()} of 40 within {took:.2f} s, {len(wrong)} wrong {wrong[:2]}")
    friend.kill(), honest.kill(), exit.kill(), keeper.close()


def raise_limits(hold):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


hold = Hold(__doc__)
hold.run(raise_limits, transfer, crowd, greeting, refusals, in_turns, lost, several, false_exits, false_inters)
