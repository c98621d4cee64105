#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything at once, through every front, three times; afterwards no descriptor, thread, timer or memory is left of it."""

import random
from collections import Counter
from common import *

REQUEST, GROWTH = struct.Struct(">cI"), 10  # GROWTH: MiB from the end of the first block to the end of a later one


def far(connection):
    """What a stream asks for: a kind, and a size where there is one."""
    kind, size = REQUEST.unpack(receive(connection, REQUEST.size))
    if kind == b"d": pour(connection, size)
    elif kind == b"r":
        pour(connection, size)
        abort(connection)
    elif kind == b"u":
        drink(connection, size)
        connection.sendall(b"!")
    elif kind == b"e":  # an echo; of the first so many bytes at once, of the rest when there is nothing more to come
        connection.sendall(receive(connection, size))
        connection.sendall(receive_all(connection))
    elif kind == b"p":
        while ping := connection.recv(64): connection.sendall(ping)


FAR = {front: serve_apart(far) for front in ("forward", "socks5", "connect", "jproxy on", "jproxy off")}
CLOSED, KEEPER = closed_port()


class Load:
    """All kinds of streams through one front, in a process of its own; `tells`: it can pass half-closes and resets on."""

    def __init__(self, make, fail, tells, seed):
        self.make, self.fail, self.tells, self.seed = make, fail, tells, seed
        self.done, self.faults = Counter(), Counter()

    def ask(self, kind, size=0):
        connection = self.make()
        connection.sendall(REQUEST.pack(kind, size))
        return connection

    def bulk_down(self, chance):
        with self.ask(b"d", 16 * MIB) as connection:
            if (got := drink(connection)) != 16 * MIB: raise EOFError(f"{got} bytes")

    def bulk_up(self, chance):
        with self.ask(b"u", 16 * MIB) as connection:
            pour(connection, 16 * MIB)
            if receive_all(connection) != b"!": raise ValueError("not taken")

    def round_trips(self, chance):
        with self.ask(b"p") as connection:
            for _ in range(200):
                connection.sendall(ping := chance.randbytes(64))
                if receive(connection, 64) != ping: raise ValueError("a foreign answer")

    def churn(self, chance):
        """Ended in order, by either side."""
        if chance.random() < 0.5:
            size = chance.randrange(3000)
            with self.ask(b"d", size) as connection:
                if (got := drink(connection)) != size: raise EOFError(f"{got} of {size} bytes")
        else:
            with self.ask(b"p") as connection:
                connection.sendall(ping := chance.randbytes(64))
                if receive(connection, 64) != ping: raise ValueError("a foreign answer")

    def resets(self, chance):
        """Under way, by either side."""
        size, way = chance.randrange(4 * MIB), chance.randrange(3)
        if way == 0:
            with self.ask(b"r", size) as connection:
                try:
                    got = drink(connection)
                except ConnectionResetError:
                    return
                if self.tells: raise ValueError(f"a clean end after {got} of {size} bytes")
        elif way == 1:
            connection = self.ask(b"d", 4 * MIB)
            drink(connection, size)
            abort(connection)
        else:
            connection = self.ask(b"u", 4 * MIB)
            pour(connection, size)
            abort(connection)

    def half_closes(self, chance):
        body = chance.randbytes(chance.randrange(1, 100_000))
        with self.ask(b"e", chance.randrange(len(body)) if self.tells else len(body)) as connection:
            connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
            if (seen := receive_all(connection)) != body: raise ValueError(f"{len(seen)} of {len(body)} bytes")

    def failures(self, chance):
        """Destinations where nobody listens."""
        try:
            with self.fail() as connection:
                if connection.recv(1): raise ValueError("bytes from nowhere")
        except (Refused, ConnectionResetError):
            pass

    def run(self, seconds, told):
        end = time.monotonic() + seconds
        jobs = [self.bulk_down, self.bulk_up, self.round_trips, self.round_trips, self.churn, self.churn, self.resets,
                self.half_closes, self.half_closes, self.failures]

        def again(number):
            job, chance = jobs[number], random.Random(f"{self.seed} {number}")
            while time.monotonic() < end:
                try:
                    job(chance)
                    self.done[job.__name__] += 1
                except (OSError, EOFError, ValueError, Refused) as error:
                    self.faults[f"{job.__name__}: {type(error).__name__} {error}"] += 1
                    time.sleep(0.1)

        parallel(len(jobs), len(jobs), again)
        told.put((self.done, self.faults))


def load(hold, what, seconds):
    """A block of it through every front at once."""
    start, workers = time.monotonic(), {}
    for front, arguments in hold.fronts.items():
        told = multiprocessing.SimpleQueue()
        worker = multiprocessing.Process(target=Load(*arguments, f"{what} {front}").run, args=(seconds, told), daemon=True)
        worker.start()
        workers[front] = worker, told
    for front, (worker, told) in workers.items():
        worker.join(max(1, start + seconds + 60 - time.monotonic()))
        done, faults = told.get() if not told.empty() else ({}, {"it does not end": 1})
        if what:
            hold.check(f"{what}: {front}", len(done) == 7 and not faults,
                       ", ".join(f"{name} {count}" for name, count in done.items()) + f", wrong: {dict(faults)}")


def left(hold, what):
    """Nothing but memory for the next time."""
    ends, start = hold.ends, time.monotonic()
    settled(hold, f"{what}: nothing left open", ends.values(), hold.descriptors)
    seconds = time.monotonic() - start
    wait(lambda: [end.threads() for end in ends.values()] == hold.threads, 8)
    threads = [end.threads() for end in ends.values()]
    hold.check(f"{what}: no thread more or less", threads == hold.threads, f"{hold.threads} before, {threads} after")
    before = [end.cpu() for end in ends.values()]
    time.sleep(3)
    used = [end.cpu() - cpu for end, cpu in zip(ends.values(), before)]
    hold.check(f"{what}: idle", max(used) <= 0.03, f"{[round(cpu * 1000) for cpu in used]} ms of processor time in 3 s, "
               f"{seconds:.1f} s after the last stream")
    hold.sizes.append([end.rss() for end in ends.values()])


def mixed(hold):
    seconds = hold.scaled(20, 4)
    load(hold, None, hold.scaled(3, 2))  # whatever comes to be with the first stream is there now
    time.sleep(8)
    hold.descriptors, hold.sizes = [end.descriptors() for end in hold.ends.values()], []
    hold.threads = [end.threads() for end in hold.ends.values()]
    print(f"     {', '.join(hold.ends)}: descriptors {hold.descriptors}, threads {hold.threads}")
    for number in range(1, 4):
        load(hold, f"block {number}", seconds)
        left(hold, f"block {number}")
    for name, first, *later in zip(hold.ends, *hold.sizes):
        hold.check(f"{name}: memory does not grow", max(later) - first < GROWTH,
                   f"{first:.1f} MiB after the first block, then {', '.join(f'{size:.1f}' for size in later)}, "
                   f"{hold.ends[name].peak():.1f} at most")


def said(hold):
    for name, end in hold.ends.items():
        odd = [line for line in end.log().partition("\nready ")[2].splitlines()[1:] if not re.match(r"\S+ info ", line)]
        hold.check(f"{name}: no warning, no error", end.alive() and not odd, f"{len(odd)} {odd[:2]}" if odd else "")
        if name.startswith("client"): hold.check(f"{name}: one tunnel all the while", end.log().count("tunnel up") == 1)


def begin(hold):
    direct = hold.start("direct", f"""
inbounds:
  - {{ name: front, type: mixed, listen: "{HOST}:0" }}
  - {{ name: fwd, type: forward, listen: "{HOST}:0", target: "{HOST}:{FAR['forward']}" }}
  - {{ name: nowhere, type: forward, listen: "{HOST}:0", target: "{HOST}:{CLOSED}" }}
egress: {{ allow: [public, loopback] }}
""")
    hold.ends = {"direct": direct}

    def by(front, make, port, tells=True):
        hold.fronts[front] = lambda: make(port, FAR[front]), lambda: make(port, CLOSED), tells

    hold.fronts = {"forward": (lambda: dial(direct.port("fwd")), lambda: dial(direct.port("nowhere")), True)}
    by("socks5", socks5, direct.port())
    by("connect", connect, direct.port())
    for extension in ("on", "off"):
        server = hold.server(extension=extension)
        client = hold.client(server, extension=extension, linger="1s")
        hold.ends |= {f"server {extension}": server, f"client {extension}": client}
        by(f"jproxy {extension}", socks5, client.port(), extension == "on")


hold = Hold(__doc__)
hold.run(begin, mixed, said)
