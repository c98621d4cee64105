#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A vproxy tunnel over KCP, with a key and without: whole bytes through every bad network, back soon after a blackout or a
rebinding, and whole bytes, half-closes and fairness under load."""

import random, statistics
from common import *

# What a lab does to both directions. KEYED: what it does instead where datagrams are sealed, as KCP itself checks nothing, and
# knows its peers by their addresses.
NETWORKS = {
    "loss 1 %": "--loss 1%",
    "loss 5 %": "--loss 5% --delay 5ms",
    "loss 20 %": "--loss 20%",
    "delay": "--delay 40ms",
    "jitter": "--delay 20ms --jitter 15ms",
    "reordering": "--delay 10ms --reorder 20%",
    "duplication": "--duplicate 20%",
    "corruption": "--corrupt 1%",
    "rebinding": "--rebind 2s --delay 40ms",
    "MTU": "--mtu 1200",
    "rate and queue": "--rate 8MiB --queue 128KiB --delay 10ms",
    "all": "--loss 3% --delay 10ms --jitter 5ms --reorder 2% --duplicate 2% --mtu 1200 --rate 12MiB --queue 256KiB",
}
KEYED = {"rebinding": "--rebind 300ms --delay 40ms", "all": NETWORKS["all"] + " --corrupt 0.1% --rebind 1s"}
MTU = {"MTU": ", mtu: 1100", "all": ", mtu: 1100"}
SIZE = 10 * MIB
STALLED_SHARE, BOUND = 0.9, 160  # of the speed; MiB, as in stalled.py: the budget, and what the allocator keeps of it
HEAD = struct.Struct(">QI")


# Servers

def trade(connection):
    """Sends so many bytes while it takes as many, and then says the SHA-256 of those."""
    seed, size = HEAD.unpack(receive(connection, HEAD.size))

    def send():
        with contextlib.suppress(OSError): connection.sendall(content(f"down {seed}", size))

    sender = threading.Thread(target=send)
    sender.start()
    digest = hashlib.sha256()
    try:
        while piece := connection.recv(1 << 18): digest.update(piece)
    finally:
        sender.join()
    connection.sendall(digest.digest())


def drip(connection):
    """A few bytes, again and again, for who only waits for them."""
    while True:
        connection.sendall(bytes(8192))
        time.sleep(0.01)


def echo(connection):
    while piece := connection.recv(1 << 17): connection.sendall(piece)


GOOD = set()


def speaks_first(connection):
    """Ends its own side, and then hears the rest: a number, the SHA-256 of what follows, and that."""
    connection.sendall(content("first", 5000))
    connection.shutdown(socket.SHUT_WR)
    heard = receive_all(connection)
    if hashlib.sha256(heard[40:]).digest() == heard[8:40]: GOOD.add(int.from_bytes(heard[:8], "big"))


APART = {name: serve_apart(body) for name, body in (("trade", trade), ("drip", drip), ("echo", echo), ("flood", pour))}


# Both ends

class Lab:
    """`warren lab udp`, whose words carry the time at which they came."""

    def __init__(self, hold, target, options):
        self.process = subprocess.Popen([hold.warren, "lab", "udp", f"{HOST}:0", f"{HOST}:{target}", *options.split()],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        hold.processes.append(self)
        self.port = int(re.search(r"lab=[^ ]*:(\d+)", self.process.stdout.readline())[1])
        self.said = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stderr: self.said.append((time.monotonic(), line.strip()))

    def times(self, word): return [at for at, line in self.said if word in line]

    def kill(self):
        self.process.kill()
        self.process.wait()


def vproxy_server(hold, keys, **targets):
    """An inbound for each target. `keys` are those of both ends, as `, key: both.key`."""
    if not (hold.folder / "both.key").exists():
        subprocess.run([hold.warren, "keygen", "vproxy", "both", "--shared", "--out", hold.folder], check=True,
                       stdout=subprocess.DEVNULL)
    lines = "".join(f'  - {{ name: {name}, type: vproxy, listen: "{HOST}:0", target: "{HOST}:{port}"{keys} }}\n'
                    for name, port in targets.items())
    return hold.start("server", f"inbounds:\n{lines}egress: {{ allow: [loopback] }}\nlog: {{ level: debug }}\n")


def vproxy_client(hold, keys, **servers):
    """A door with the name of each server's port."""
    doors = "".join(f'  - {{ name: {name}, type: forward, listen: "{HOST}:0", to: far-{name} }}\n' for name in servers)
    tunnels = "".join(f'  - {{ name: far-{name}, type: vproxy, server: "{HOST}:{port}"{keys} }}\n'
                      for name, port in servers.items())
    return hold.start("client", f"inbounds:\n{doors}outbounds:\n{tunnels}log: {{ level: debug }}\n")


SECURITY = {"no key": "", "key": ", key: both.key"}


# Bad networks

def exchange(port, seed, size):
    """Bytes both ways at once: "whole", "wrong", or how it ended."""
    up, down = content(f"up {seed}", size), content(f"down {seed}", size)
    try:
        with dial(port, 60) as connection:
            def send():
                with contextlib.suppress(OSError):
                    connection.sendall(HEAD.pack(seed, size) + up)
                    connection.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            try:
                seen = receive(connection, size + 32)
                rest = connection.recv(1)
            finally:
                with contextlib.suppress(OSError): connection.shutdown(socket.SHUT_RD)
                sender.join(60)
        right = hashlib.sha256(seen[:size]).digest() == hashlib.sha256(down).digest() and not rest
        return "whole" if right and seen[size:] == hashlib.sha256(up).digest() else "wrong"
    except (OSError, EOFError) as error:
        return f"{type(error).__name__} {error}"


def networks(hold):
    seeds = hold.scaled(20, 1)
    for security, keys in SECURITY.items():
        server = vproxy_server(hold, keys, trade=APART["trade"])
        small = vproxy_server(hold, keys + ", mtu: 1100", trade=APART["trade"])
        for kind, options in NETWORKS.items():
            if keys: options = KEYED.get(kind, options)
            # Rebinding ends streams of KCP alone; their user comes again. Damaged bytes may be anything there.
            tries = 20 if kind == "rebinding" and not keys else 1
            damaged = kind == "corruption" and not keys

            def one(number):
                lab = Lab(hold, (small if kind in MTU else server).port("trade"), f"{options} --seed {number + 1}")
                client = vproxy_client(hold, keys + MTU.get(kind, "") + ", lanes: 1", trade=lab.port)
                start, ends = time.monotonic(), []
                while len(ends) < tries and "whole" not in ends and "wrong" not in ends:
                    ends.append(exchange(client.port("trade"), number, SIZE))
                took, alive = time.monotonic() - start, client.alive()
                for process in (client, lab): process.kill()
                hold.processes.remove(client), hold.processes.remove(lab)
                return ends if alive else ["the client is gone"], took

            ends, times = zip(*parallel(seeds, 2, one))
            wrong = [f"seed {n + 1}: {all[-1]}" for n, all in enumerate(ends) if all[-1] != "whole"]
            gone = [line for line in wrong if "is gone" in line]
            if not server.alive() or not small.alive(): gone.append("a server is gone")
            again = sum(len(all) - 1 for all in ends)
            hold.check(f"{kind}, {security}: {seeds} seeds, {SIZE >> 20} MiB each way" + (", damaged" if damaged else ""),
                       not gone if damaged else not wrong,
                       f"{statistics.median(times):.2f} s, {max(times):.2f} at most"
                       + (f", {again} more tries" if tries > 1 else "") + (f", {len(wrong)} not whole" if damaged else "")
                       + (f" {wrong[:3]}" if wrong and not damaged else "") + (f" {gone}" if gone else ""))
        for end in (server, small): end.kill()


# Networks that were away

class User(threading.Thread):
    """Uses a tunnel in its own way until told otherwise, and notes when it had bytes."""

    def __init__(self, port, manner, patience=60):
        super().__init__(daemon=True)
        self.port, self.manner, self.patience, self.stopped, self.had, self.lost = port, manner, patience, False, [], 0
        self.start()

    def run(self):
        while not self.stopped:
            try:
                with dial(self.port, self.patience) as connection:
                    while not self.stopped and self.once(connection): pass
            except (OSError, EOFError):
                self.lost += 1
                time.sleep(0.02)

    def once(self, connection):
        """False if the next one needs another stream."""
        if self.manner != "a download":
            connection.sendall(b"ping")
            receive(connection, 4)
        elif not connection.recv(1 << 16):
            raise EOFError
        self.had.append(time.monotonic())
        if self.manner != "a download": time.sleep(0.05)
        return self.manner != "new streams"

    def back(self, since, within=60):
        """Seconds from then on until it had bytes."""
        first = lambda: next((at for at in list(self.had) if at > since + 0.001), None)
        return (wait(first, within) or since + 99) - since


def blackout(hold):
    """All manners at once, each over its own tunnel and network."""
    seconds, cases = hold.scaled(30, 8), {}
    for security, keys in SECURITY.items():
        server = vproxy_server(hold, keys, echo=APART["echo"], drip=APART["drip"])
        for manner in ("an echo", "a download", "new streams", "nobody"):
            name = "drip" if manner == "a download" else "echo"
            lab = Lab(hold, server.port(name), f"--blackout {seconds}s@4s --seed 7")
            client = vproxy_client(hold, keys + ", lanes: 1", **{name: lab.port})
            user = User(client.port(name), manner, 2 if manner == "new streams" else 60)
            cases[f"{manner}, {security}"] = lab, client, user, name
            wait(lambda: user.had, 10)
            if manner == "nobody": user.stopped = True

    def one(case):
        lab, client, user, name = cases[case]
        wait(lambda: lab.times("blackout ends"), seconds + 20)
        ends = lab.times("blackout ends")
        if "nobody" in case and ends: user = User(client.port(name), "an echo")
        took = user.back(ends[0]) if ends else 99
        hold.check(f"{seconds} s of blackout, {case}: back within 2 s", took <= 2, f"{took:.2f} s, {user.lost} streams lost")
        user.stopped = True

    threads = [threading.Thread(target=one, args=(case,)) for case in cases]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    for process in hold.processes: process.kill()


def rebinding(hold):
    """How long it takes to notice another address of the client, and to be back."""
    for security, keys in SECURITY.items():
        server = vproxy_server(hold, keys, echo=APART["echo"], drip=APART["drip"])
        for manner in ("an echo", "a download"):
            name = "drip" if manner == "a download" else "echo"
            lab = Lab(hold, server.port(name), "--rebind 12s --delay 10ms --seed 7")
            client = vproxy_client(hold, keys + ", lanes: 1", **{name: lab.port})
            user, turns = User(client.port(name), manner), hold.scaled(4, 1)
            wait(lambda: len(lab.times("rebinding")) >= turns, 12 * turns + 5)
            times = [user.back(at) for at in lab.times("rebinding")]
            hold.check(f"rebinding, {manner}, {security}: back within 3 s", len(times) >= turns and max(times) <= 3,
                       f"{[round(one, 2) for one in times]} s, {user.lost} streams lost")
            user.stopped = True
            for process in (client, lab): process.kill()
        server.kill()


# Load

def load(hold):
    origin, first = Origin.start(), serve(speaks_first)
    for security, keys in SECURITY.items():
        server = vproxy_server(hold, keys, web=origin, echo=APART["echo"], first=first, flood=APART["flood"])
        names = ("web", "echo", "first", "flood")
        client = vproxy_client(hold, keys, **{name: server.port(name) for name in names})
        ends = {"server": server, "client": client}
        bulk(hold, security, ends)
        crowd(hold, security, ends)
        half_closes(hold, security, ends)
        stalled(hold, security, ends)
        for end in ends.values(): end.kill()


def memory(hold, what, ends, idle):
    for name, end in ends.items():
        hold.check(f"{what}: memory of the {name}", end.peak() - idle[name] < BOUND,
                   f"{idle[name]:.0f} MiB before, {end.peak():.0f} at most, {end.rss():.0f} now")


def resting(ends):
    for end in ends.values(): end.reset_peak()
    return {name: end.rss() for name, end in ends.items()}


def bulk(hold, security, ends):
    size, file, idle = hold.scaled(500) * MIB, hold.folder / "big", resting(ends)
    digest = hashlib.sha256()
    with open(file, "wb") as out:
        for number in range(size // MIB):
            digest.update(piece := content(number, MIB))
            out.write(piece)
    Origin.big["big"] = file
    url = f"http://{HOST}:{ends['client'].port('web')}"

    def curl(*arguments):
        start = time.monotonic()
        done = subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", "300", *arguments], capture_output=True)
        return done.stdout, done.stderr.decode().strip(), time.monotonic() - start

    body, errors, seconds = curl(f"{url}/big/{size}")
    hold.check(f"{security}: curl down", hashlib.sha256(body).hexdigest() == digest.hexdigest(),
               f"{size >> 20} MiB in {seconds:.2f} s, {size / 1e6 / seconds:.0f} MB/s {errors}")
    body, errors, seconds = curl("-T", file, f"{url}/put")
    hold.check(f"{security}: curl up", body.decode() == digest.hexdigest(),
               f"{size >> 20} MiB in {seconds:.2f} s, {size / 1e6 / seconds:.0f} MB/s {errors}")
    memory(hold, f"{security}: curl", ends, idle)
    file.unlink()


def crowd(hold, security, ends):
    count, size, port, idle = hold.scaled(200, 40), hold.scaled(3 * MIB, MIB), ends["client"].port("web"), resting(ends)

    def one(number):
        try:
            with dial(port, 120) as connection:
                connection.sendall(f"GET /{number}/{size} HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
                return receive_all(connection).partition(b"\r\n\r\n")[2] == content(number, size)
        except OSError:
            return False

    start = time.monotonic()
    wrong = parallel(count, count, one).count(False)
    hold.check(f"{security}: {count} downloads at once", not wrong,
               f"{wrong} wrong of {size >> 20} MiB each, {time.monotonic() - start:.1f} s")
    memory(hold, f"{security}: downloads", ends, idle)


def half_closes(hold, security, ends):
    count, processes, idle = hold.scaled(10_000), list(ends.values()), resting(ends)

    def user_first(number):
        body = random.Random(number).randbytes(number * 7919 % 60_000)
        with dial(ends["client"].port("echo"), 60) as connection:
            sender = threading.Thread(target=lambda: (connection.sendall(body), connection.shutdown(socket.SHUT_WR)))
            sender.start()
            seen = receive_all(connection)
            sender.join()
        return seen == body

    def target_first(number):
        body = random.Random(number).randbytes(number * 7919 % 60_000)
        with dial(ends["client"].port("first"), 60) as connection:
            if receive_all(connection) != content("first", 5000): return False
            connection.sendall(number.to_bytes(8, "big") + hashlib.sha256(body).digest() + body)
            connection.shutdown(socket.SHUT_WR)
            return bool(wait(lambda: number in GOOD, 30, 0.005))

    for what, one in (("the user", user_first), ("the target", target_first)):
        def tried(number):
            try: return one(number)
            except OSError: return False
        GOOD.clear()
        parallel(64, 32, lambda number: tried(count + number))  # until it has all its lanes
        before, start = [end.descriptors() for end in processes], time.monotonic()
        wrong = parallel(count, 32, tried).count(False)
        hold.check(f"{security}: {count} half-closes by {what} first", not wrong,
                   f"{wrong} wrong, {time.monotonic() - start:.1f} s")
        settled(hold, f"{security}: half-closes by {what}: nothing left open", processes, before)
    memory(hold, f"{security}: half-closes", ends, idle)


class Busy(threading.Thread):
    """A download without an end."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection, self.got, self.fault, self.ended = dial(port, 60), 0, None, False
        self.start()

    def run(self):
        try:
            drink(self.connection, None, self.count)
            raise EOFError("a clean end")
        except (OSError, EOFError, ValueError) as error:
            if not self.ended: self.fault = f"{type(error).__name__} {error}"

    def count(self, size): self.got += size

    def end(self):
        self.ended = True
        with contextlib.suppress(OSError): self.connection.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.connection.close()


def stalled(hold, security, ends):
    """99 busy streams, with and without one beside them that takes nothing, in turns."""
    port, idle, speeds = ends["client"].port("flood"), resting(ends), {False: [], True: []}
    busy = [Busy(port) for _ in range(99)]
    time.sleep(2)
    taken = lambda: sum(one.got for one in busy)
    for number in range(hold.scaled(6, 3)):
        for crowded in (False, True) if number % 2 else (True, False):
            held = dial(port, 60, buffer=4096) if crowded else None
            time.sleep(1.5)  # its window fills
            start, before = time.monotonic(), taken()
            time.sleep(hold.scaled(5, 2))
            speeds[crowded].append((taken() - before) / (time.monotonic() - start) / 1e6)
            if held:
                try: drink(held, 4 * MIB)  # it finds every byte when it comes back
                except (OSError, EOFError, ValueError) as error:
                    hold.check(f"{security}: a stalled reader goes on", False, f"{type(error).__name__} {error}")
                abort(held)
    faults = [one.fault for one in busy if one.fault]
    least, most = min(one.got for one in busy), max(one.got for one in busy)
    for one in busy: one.end()
    alone, beside = (statistics.median(speeds[key]) for key in (False, True))
    hold.check(f"{security}: 99 streams keep their speed beside a stalled one", beside >= STALLED_SHARE * alone > 0,
               f"{alone:.0f} MB/s alone, {beside:.0f} beside, {beside / max(alone, 1):.0%}")
    hold.check(f"{security}: they arrive", not faults, f"{least >> 20} to {most >> 20} MiB each, wrong: {faults[:3]}")
    memory(hold, f"{security}: stalled", ends, idle)


hold = Hold(__doc__)
hold.run(blackout, rebinding, load, networks)
