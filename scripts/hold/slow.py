#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readers that are slow and alive are not taken for dead, and cost the others of their tunnel nothing within the budget."""

from common import *

ORIGIN = Origin.start()
ENDLESS = 1 << 34
PACES = {"50 kB/s": 50_000, "200 kB/s": 200_000, "1 MB/s": 1_000_000, "4 MB/s": 4_000_000}


def read(port, rate, pause, seconds, window, size=ENDLESS, stop=threading.Event()):
    """Reads an answer at that rate, a burst every `pause` seconds; (bytes read, what went wrong)."""
    got, start = 0, time.monotonic()
    try:
        with socks5(port, ORIGIN, 30, buffer=window) as connection:
            connection.sendall(f"GET /big/{size}/0 HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
            while (now := time.monotonic()) < start + seconds and not stop.is_set():
                due = min(int((now - start) * rate) - got, 1 << 24)
                while due > 0:
                    if not (piece := connection.recv(min(due, 1 << 18))): return got, "clean end too early"
                    got, due = got + len(piece), due - len(piece)
                time.sleep(pause)
            abort(connection)
    except (OSError, EOFError, Refused) as error:
        return got, f"{type(error).__name__} {error} after {time.monotonic() - start:.1f} s"
    return got, None


def tunnel(hold): return hold.client(hold.server(extension="off"), extension="off")


def alone(hold):
    """One reader to a tunnel: it holds up nobody."""
    jobs = [(name, pause, window) for name in PACES for pause in (0.05, 1.0) for window in (None, 65536)]
    clients, seconds = [tunnel(hold) for _ in jobs], hold.scaled(60, 30)

    def one(number):
        name, pause, window = jobs[number]
        return read(clients[number].port(), PACES[name], pause, seconds, window)

    for (name, pause, window), client, (got, fault) in zip(jobs, clients, parallel(len(jobs), len(jobs), one)):
        stalled = client.log().count('reason="reader stalled"')
        hold.check(f"alone at {name}, a burst every {pause} s, {window or 'any'} window", not fault and not stalled,
                   f"{got / 1e6:.1f} MB in {seconds} s, {fault}" + ", ended as stalled" * stalled)
    for process in hold.processes: process.kill()


BUDGET, SLOW, FILE, MEDIAN = 64, 200_000, 50 * MIB, 0.05


def slowly(connection):
    """Takes what comes at that rate; a target."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    while piece := connection.recv(SLOW // 20): time.sleep(len(piece) / SLOW)


SLOWLY = serve(slowly)


def upload(port, size):
    """Sends that much to a target that takes little; what went wrong."""
    try:
        with socks5(port, SLOWLY, 60) as connection: pour(connection, size)
    except (OSError, Refused) as error:
        return f"{type(error).__name__} {error}"


def requests(port, count):
    """Short requests one after the other, each on a stream of its own; how long they took."""
    return sorted(fetch(port, ORIGIN, f"/{number}/1000", 30) for number in range(count))


def beside(hold):
    """A slow stream within the budget costs the others nothing, either way."""
    count = hold.scaled(1000, 300)
    for way in ("down", "up"):
        server = hold.server(extension="off")
        client = hold.client(server, extension="off")
        ends, port = {"server": server, "client": client}, client.port()
        requests(port, 20)
        idle = {name: end.rss() for name, end in ends.items()}
        for end in ends.values(): end.reset_peak()
        alone, told, stop = requests(port, count), [], threading.Event()

        def slow():
            fault = read(port, SLOW, 0.05, 1e9, 65536, FILE, stop)[1] if way == "down" else upload(port, FILE)
            if fault: told.append(fault)

        threading.Thread(target=slow, daemon=True).start()
        time.sleep(1)
        took = requests(port, count)
        hold.check(f"{way}: {count} requests beside a stream at 200 kB/s", took[count // 2] < MEDIAN,
                   f"median {took[count // 2] * 1000:.1f} ms, longest {took[-1] * 1000:.0f} ms; alone "
                   f"{alone[count // 2] * 1000:.1f} and {alone[-1] * 1000:.0f} ms")
        for name, end in ends.items():
            hold.check(f"{way}: memory of the {name}", end.peak() - idle[name] < BUDGET + 32,
                       f"{idle[name]:.0f} MiB idle, {end.peak():.0f} at most")
        ended = [end.log().count('reason="reader stalled"') for end in ends.values()]
        stop.set()
        hold.check(f"{way}: the slow stream goes on", not any(ended) and not told, f"{told} {ended}")
        for end in ends.values(): end.kill()


def beyond(hold):
    """Past the budget the slow one pays, and only it."""
    client, told = tunnel(hold), []
    port = client.port()
    worker = threading.Thread(target=lambda: told.append(read(port, SLOW, 0.05, 60, 65536)), daemon=True)
    worker.start()
    took = requests(port, hold.scaled(1000, 500))
    worker.join(30)
    hold.check("past the budget: the slow stream is ended", told and "Reset" in (told[0][1] or ""), f"{told}")
    hold.check("past the budget: the reason is said", client.log().count('reason="reader stalled"') == 1)
    hold.check("past the budget: it costs the others one wait", took[-1] < 6 and took[len(took) // 2] < MEDIAN,
               f"median {took[len(took) // 2] * 1000:.1f} ms, longest {took[-1]:.2f} s")
    client.kill()


def together(hold):
    """Readers that take more are never ended; without flow control they wait for each other."""
    seconds, client = hold.scaled(20, 10), tunnel(hold)
    slow, fast = parallel(2, 2, lambda n: read(client.port(), (4e6, 1e10)[n], 0.02, seconds, None))
    hold.check("beside a reader at 4 MB/s", not slow[1] and not fast[1],
               f"the other gets {fast[0] / seconds / 1e6:.1f} MB/s, {fast[1]}; the slow one {slow[0] / 1e6:.1f} MB, {slow[1]}")
    client.kill()


def begin(hold):
    Origin.big["big"] = file = hold.folder / "big"
    with open(file, "wb") as sparse: sparse.truncate(ENDLESS)


hold = Hold(__doc__)
hold.run(begin, beside, beyond, together, alone)
