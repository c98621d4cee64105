#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred readers that take nothing cost the tunnel little memory and little time.

Without the extension they are shown the door; with it they may stay, because they hold up nobody.
"""

import select, statistics
from common import *

STALLED, BUSY, DOOR, SHARE = 100, 10, 15, 0.9
BOUND = 160  # MiB: the budget of 64, and what the allocator keeps of it when it is given back in pieces


def sink(connection):
    """Takes the first bytes and then nothing."""
    receive(connection, 100)
    poll = select.poll()
    poll.register(connection, 0)  # a reset only
    poll.poll(120_000)


FLOOD, SINK = serve_apart(pour), serve_apart(sink)


class Busy(threading.Thread):
    """A download, held to some 10 MB a second for a while so that it lasts, that notes its pauses."""

    def __init__(self, port, origin, offset, size, calm):
        super().__init__(daemon=True)
        self.where, self.offset, self.size, self.calm = (port, origin), offset, size, calm
        self.pauses, self.digest, self.got, self.fault = [(0.0, 0.0)], hashlib.sha256(), 0, None
        self.start()

    def run(self):
        try:
            with socks5(*self.where, 60) as connection:
                connection.sendall(f"GET /big/{self.size}/{self.offset} HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
                head = b""
                while not head.endswith(b"\r\n\r\n"): head += receive(connection, 1)
                last = time.monotonic()
                while piece := connection.recv(1 << 18):
                    now = time.monotonic()
                    if now - last > 0.5: self.pauses.append((now - last, now))
                    self.digest.update(piece)
                    self.got += len(piece)
                    last = now
                    if now < self.calm: time.sleep(len(piece) / 10e6)
        except (OSError, EOFError, Refused) as error:
            self.fault = f"{type(error).__name__} {error}"

    def wrong(self, file):
        if self.fault or self.got < self.size: return self.fault or f"{self.got} of {self.size} bytes"
        with open(file, "rb") as source:
            source.seek(self.offset)
            return None if self.digest.digest() == hashlib.sha256(source.read(self.size)).digest() else "wrong bytes"


def direction(hold, what, target, stall, guilty):
    """`stall` makes one stalled stream; `guilty` is the process that has to notice."""
    server = hold.server(extension="off")
    client = hold.client(server, extension="off")
    ends, port, size = {"server": server, "client": client}, client.port(), hold.scaled(200, 20) * MIB
    Origin.big["big"] = file = hold.folder / "big"
    file.write_bytes(os.urandom(size + BUSY * MIB))
    origin = Origin.start()
    for number in range(20): fetch(port, origin, "/warm/1000000")
    time.sleep(1)
    idle = {name: end.rss() for name, end in ends.items()}
    for end in ends.values(): end.reset_peak()
    calm = time.monotonic() + hold.scaled(25, 15)
    busy = [Busy(port, origin, number * MIB, size, calm) for number in range(BUSY)]
    time.sleep(1)
    other = socks5(port, origin)  # whoever is the only stream of its tunnel may stay
    start = time.monotonic()
    held = parallel(STALLED, 25, lambda _: stall(port, target))
    count = lambda: ends[guilty].log().count('reason="reader stalled"')
    wait(lambda: count() >= STALLED, 30, 0.1)
    took = time.monotonic() - start
    hold.check(f"{what}: stalled streams are ended", count() == STALLED and took < DOOR,
               f"{count()} of {STALLED} said by the {guilty} within {took:.1f} s")
    for thread in busy: thread.join(120)
    wrong = list(filter(None, (thread.wrong(file) for thread in busy)))
    hold.check(f"{what}: busy streams arrive", not wrong,
               f"{BUSY} of {size >> 20} MiB in {time.monotonic() - start:.1f} s, wrong: {wrong[:3]}")
    pause, at = max(max(thread.pauses) for thread in busy)
    total = max(sum(pause for pause, _ in thread.pauses) for thread in busy)
    hold.check(f"{what}: busy streams go on", pause < 6, f"longest pause {pause:.2f} s"
               + (f", over {at - start:.1f} s after the stalled ones came; {total:.1f} s in sum" if at else ""))
    for name, end in ends.items():
        hold.check(f"{what}: memory of the {name}", end.peak() - idle[name] < BOUND,
                   f"{idle[name]:.0f} MiB idle, {end.peak():.0f} at most, {end.rss():.0f} now")
    for connection in [*held, other]: connection.close()
    hold.check(f"{what}: one tunnel all the while", client.log().count("tunnel up") == 1)
    for end in ends.values(): end.kill()


def lazy_reader(port, target):
    return socks5(port, target, buffer=4096)


def eager_writer(port, target):
    connection = socks5(port, target)

    def write():
        with contextlib.suppress(OSError): pour(connection)

    threading.Thread(target=write, daemon=True).start()
    return connection


# With the extension

TAKEN = multiprocessing.Value("Q")


def take(connection):
    def count(size):
        with TAKEN.get_lock(): TAKEN.value += size

    try:
        drink(connection, None, count)
    except ValueError as error:
        print(f"     {error} at the far end", flush=True)  # its end is the check's
        abort(connection)


TAKE = serve_apart(take)


class Endless(threading.Thread):
    """A busy stream that goes on until told otherwise."""

    def __init__(self, port, what):
        super().__init__(daemon=True)
        self.connection = socks5(port, FLOOD if what == "down" else TAKE)
        self.what, self.ended, self.fault = what, False, None
        self.start()

    def run(self):
        try:
            if self.what == "down":
                drink(self.connection, None, self.count)
                raise EOFError("a clean end")
            pour(self.connection)
        except (OSError, EOFError, ValueError) as error:
            if not self.ended: self.fault = f"{type(error).__name__} {error}"

    def count(self, size):
        with TAKEN.get_lock(): TAKEN.value += size

    def end(self):
        self.ended = True
        with contextlib.suppress(OSError): self.connection.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.connection.close()


def beside(hold, what, target, stall):
    """The speed of the busy streams with and without the stalled ones, in turns."""
    server = hold.server(extension="on")
    client = hold.client(server, extension="on")
    ends, port, what = {"server": server, "client": client}, client.port(), f"extension, {what}"
    way, origin = what.rpartition(" ")[2], Origin.start()
    for number in range(20): fetch(port, origin, "/warm/1000000")
    time.sleep(1)
    idle = {name: end.rss() for name, end in ends.items()}
    for end in ends.values(): end.reset_peak()
    busy = [Endless(port, way) for _ in range(BUSY)]
    speeds, early, left, seconds = {False: [], True: []}, 0, False, hold.scaled(5, 2)
    time.sleep(1)
    before = [end.descriptors() for end in ends.values()]
    for number in range(hold.scaled(5, 3)):
        for crowded in (False, True) if number % 2 else (True, False):
            held = parallel(STALLED, 25, lambda _: stall(port, target)) if crowded else []
            time.sleep(hold.scaled(4, 3))  # their windows fill
            start, taken = time.monotonic(), TAKEN.value
            time.sleep(seconds)
            speeds[crowded].append((TAKEN.value - taken) / (time.monotonic() - start) / 1e6)
            early += sum(gone(connection) for connection in held)
            if held and way == "down": goes_on(hold, what, held[0])
            for connection in held:
                with contextlib.suppress(OSError): connection.shutdown(socket.SHUT_RDWR)  # wakes its writer
                abort(connection)
            left |= not wait(lambda: all(end.descriptors() <= count for end, count in zip(ends.values(), before)), 5)
            time.sleep(1)
    faults = [thread.fault for thread in busy if thread.fault]
    for thread in busy: thread.end()
    alone, crowded = (statistics.median(speeds[key]) for key in (False, True))
    hold.check(f"{what}: busy streams keep their speed", crowded >= SHARE * alone and alone > 0,
               f"{alone:.0f} MB/s alone, {crowded:.0f} beside {STALLED} stalled ones, {crowded / max(alone, 1):.0%}; "
               f"alone {[round(s) for s in speeds[False]]}, beside {[round(s) for s in speeds[True]]}")
    hold.check(f"{what}: busy streams arrive", not faults, f"{TAKEN.value / 1e9:.1f} GB so far, wrong: {faults[:3]}")
    said = [end.log().count('reason="reader stalled"') for end in ends.values()]
    hold.check(f"{what}: stalled streams may stay", not early and not any(said),
               f"{early} ended early, {said} said to be stalled")
    hold.check(f"{what}: they are gone when their users are", not left)
    for name, end in ends.items():
        hold.check(f"{what}: memory of the {name}", end.peak() - idle[name] < BOUND,
                   f"{idle[name]:.0f} MiB idle, {end.peak():.0f} at most, {end.rss():.0f} now")
    hold.check(f"{what}: one tunnel all the while", client.log().count("tunnel up") == 1)
    for end in ends.values(): end.kill()


def gone(connection):
    """Whether a connection that nobody has touched was ended by the other side."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def goes_on(hold, what, connection):
    """A stalled reader that comes back finds every byte."""
    try:
        drink(connection, 8 * MIB)
    except (OSError, EOFError, ValueError) as error:
        hold.check(f"{what}: a stalled reader goes on", False, f"{type(error).__name__} {error}")


def down(hold): direction(hold, "down", FLOOD, lazy_reader, "client")
def up(hold): direction(hold, "up", SINK, eager_writer, "server")
def down_extended(hold): beside(hold, "down", FLOOD, lazy_reader)
def up_extended(hold): beside(hold, "up", SINK, eager_writer)


hold = Hold(__doc__)
hold.run(down, up, down_extended, up_extended)
