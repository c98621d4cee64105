#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A relay of public names and its devices: a gigabyte, a crowd, ends that die, a thousand that return, slow ClientHellos,
idle visitors."""

import base64, datetime, hmac, json, resource, selectors, ssl, statistics, subprocess
from common import *

SECRET = "hold" * 16
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def raise_limits(hold):
    """An idle visitor is a descriptor here, in the relay, in the devices and at the target, which inherit the limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hold.visitors = hold.scaled(19_000, 2_000)
    if hard != resource.RLIM_INFINITY and hard < hold.visitors + 500:
        hold.visitors = hard - 500
        print(f"note: the limit of {hard} open files allows {hold.visitors} idle visitors only")


# Relay, devices, visitors

def relay(hold, public=0, tunnel=0):
    secret = hold.folder / "secret"
    if not secret.exists():
        secret.write_text(SECRET)
        secret.chmod(0o600)
    return hold.start("relay", f"""
limits: {{ sessions: 100000 }}
inbounds: [ {{ name: public, type: public, listen: "{HOST}:{public}", to: devices, http: pass }} ]
outbounds: [ {{ name: devices, type: mproxy, listen: "{HOST}:{tunnel}", secretFile: {secret} }} ]""")


def token(hold, name):
    """A file with a token for a name; its holder is a device of the same name."""
    code = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = {"domains": [name], "sub": name, "exp": int(time.time()) + 86_400}
    text = b".".join(code(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    file = hold.folder / f"{name}.token"
    file.write_bytes(text + b"." + code(hmac.digest(SECRET.encode(), text, "sha256")))
    file.chmod(0o600)
    return file


def device(hold, place, names, target):
    """A Warren with a tunnel for each of the names."""
    entries = "\n".join(f"""  - name: {name}
    type: mproxy
    relay: "ws://{HOST}:{place.port("devices")}"
    tokenFile: "{token(hold, name)}"
    services: {{ {name}: "{HOST}:{target}" }}""" for name in names)
    process = Warren(hold, names[0], f"limits: {{ sessions: 100000 }}\ninbounds:\n{entries}\negress: {{ allow: [loopback] }}",
                     ready=False)  # it listens nowhere
    hold.processes.append(process)
    return process


def visit(port, name, seconds=5):
    """The status of an answer, and how long it took."""
    start = time.monotonic()
    with dial(port, seconds) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(4096)
    return int(answer.split()[1]), time.monotonic() - start


def served(port, name, seconds=5):
    """How long it took; raises where anything but the device's answer came."""
    status, took = visit(port, name, seconds)
    if status != 200: raise Refused(status)
    return took


def until(status, port, name, since, most, patience=0.2):
    """Seconds from `since` until a visitor gets this status; None if none does."""
    while time.monotonic() < since + most:
        with contextlib.suppress(OSError, IndexError):
            if visit(port, name, patience)[0] == status: return time.monotonic() - since
        time.sleep(0.02)


class Others:
    """Visitors of another device, one after the other, from a thread."""

    def __init__(self, port, name):
        self.times, self.failures, self.done = [], [], threading.Event()
        self.thread = threading.Thread(target=self.poll, args=(port, name), daemon=True)
        self.thread.start()

    def poll(self, port, name):
        while not self.done.wait(0.02):
            try: self.times.append(served(port, name))
            except (OSError, Refused, IndexError) as error: self.failures.append(repr(error))

    def check(self, hold, what):
        wait(lambda: len(self.times) + len(self.failures) >= 20, 10)
        self.done.set(), self.thread.join()
        slowest = max(self.times, default=99)
        hold.check(f"{what}: visitors of others see nothing", not self.failures and slowest < 1, f"{len(self.times)} requests, "
                   f"{slowest * 1000:.0f} ms at most, failures: {len(self.failures)} {self.failures[:2]}")


def answer_all(connection):
    """Answers each request, and stays."""
    while connection.recv(4096): connection.sendall(ANSWER)


# A device that dies

def bulk(hold):
    """A gigabyte each way by curl, and then 500 visitors at once."""
    size, origin, name = hold.scaled(1024, 64) * MIB, Origin.start(), "bulk.hold"
    place = relay(hold)
    there, port = device(hold, place, [name], origin), place.port("public")
    file, digest = big(hold, size)
    wait(lambda: "tunnel up" in place.log(), 10)
    before = [place.descriptors(), there.descriptors()]
    words = ["curl", "-q", "-sS", "--noproxy", "", "-m", "300", "--resolve", f"{name}:{port}:{HOST}"]
    start = time.monotonic()
    with subprocess.Popen([*words, f"http://{name}:{port}/big/{size}"], stdout=subprocess.PIPE) as down:
        seen = hashlib.file_digest(down.stdout, "sha256").hexdigest()
    hold.check(f"{size // MIB} MiB down", down.returncode == 0 and seen == digest,
               f"{size / MIB / (time.monotonic() - start):.0f} MiB/s")
    start = time.monotonic()
    up = subprocess.run([*words, "-T", file, f"http://{name}:{port}/put"], stdout=subprocess.PIPE, text=True)
    hold.check(f"{size // MIB} MiB up", up.stdout == digest, f"{size / MIB / (time.monotonic() - start):.0f} MiB/s")
    file.unlink()
    crowd(hold, port, name)
    settled(hold, "a gigabyte and a crowd: nothing left open", [place, there], before, 20)
    there.kill(), place.kill()


def crowd(hold, port, name, count=500):
    """All are there before the first one asks."""
    size = hold.scaled(MIB, MIB // 8)
    visitors = parallel(count, 50, lambda _: dial(port, 120))

    def fetch(number):
        with visitors[number] as connection:
            path = f"/crowd{number}/{size}"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            return receive_all(connection).partition(b"\r\n\r\n")[2] == content(f"crowd{number}", size)

    whole = sum(parallel(count, count, fetch))
    hold.check(f"{count} visitors at once hear {size >> 10} KiB each", whole == count, f"{whole}")


def lost(hold):
    target = serve(answer_all)
    for what, number in (("a device that was killed", signal.SIGKILL), ("a device that stands still", signal.SIGSTOP)):
        place = relay(hold)
        port = place.port("public")
        start = lambda name: device(hold, place, [name], target)
        first, second = start("kitchen.hold"), start("cellar.hold")
        up = [until(200, port, name, time.monotonic(), 10) for name in ("kitchen.hold", "cellar.hold")]
        if not hold.check(f"{what} served before", None not in up): return
        others = Others(port, "cellar.hold")
        forgotten(hold, what, port, first, number)
        heir = start("kitchen.hold")
        until(200, port, "kitchen.hold", time.monotonic(), 10)
        heir.signal(number)
        before, begun = place.log().count("tunnel up"), time.monotonic()
        successor = start("kitchen.hold")
        wait(lambda: place.log().count("tunnel up") > before, 10, 0.002)
        ready = time.monotonic()
        took = until(200, port, "kitchen.hold", ready, 30)
        hold.check(f"{what}: its name is its successor's at once", took is not None and took < 0.5,
                   f"{took} s after its tunnel was up, which was {ready - begun:.2f} s after its start")
        others.check(hold, what)
        for process in (first, second, heir, successor, place): process.kill()


def forgotten(hold, what, port, process, number):
    """Its name answers 503, and a visitor who was there is let go of."""
    with dial(port, 60) as running:
        running.sendall(b"GET / HTTP/1.1\r\nHost: kitchen.hold\r\n\r\n")
        receive(running, len(ANSWER))
        since = time.monotonic()
        process.signal(number)
        took = until(503, port, "kitchen.hold", since, 40)
        hold.check(f"{what}: its name answers 503 within 20 s", took is not None and took <= 20, f"{took} s")
        running.settimeout(1)
        try: end = "an end" if not running.recv(1) else "bytes"
        except OSError as error: end = type(error).__name__
        hold.check(f"{what}: a visitor who was there is told", end == "ConnectionResetError", end)


# A relay that restarts

def restart(hold):
    count, target = hold.scaled(1_000, 100), serve(answer_all)
    place = relay(hold)
    public, tunnel = place.port("public"), place.port("devices")
    names = [f"d{number}.hold" for number in range(count)]
    step = max(1, count // 10)
    devices = [device(hold, place, names[start:start + step], target) for start in range(0, count, step)]
    ups = lambda: place.log().count("tunnel up")
    if not hold.check(f"{count} devices are up", wait(lambda: ups() == count, 60), f"{ups()}"): return
    for away in (0, hold.scaled(20, 5)):
        what = f"a relay that was away for {away} s"
        place.kill()
        time.sleep(away)
        begun = time.time()
        place = relay(hold, public, tunnel)
        until(200, public, names[0], time.monotonic(), 30)
        others = Others(public, names[0])
        wait(lambda: ups() >= count, 60)
        took = [at - begun for at in arrivals(place)]
        hold.check(f"{what}: {count} devices are back within 30 s", len(took) == count and max(took) <= 30,
                   f"{len(took)}, the first after {min(took, default=99):.2f} s, half after {statistics.median(took):.2f}, "
                   f"the last after {max(took, default=99):.2f}")
        peak, mean = rates(took)
        hold.check(f"{what}: they do not come all at once", peak / mean < 3,
                   f"{peak:.0f} a second at most and {mean:.0f} in the mean: {peak / mean:.2f}")
        others.check(hold, f"{what}: while others come back")
        wrong = [name for name in names[::max(1, count // 200)] if until(200, public, name, time.monotonic(), 2) is None]
        hold.check(f"{what}: all are served", not wrong, f"{wrong[:3]}")
    for process in (place, *devices): process.kill()


def arrivals(place):
    """When tunnels came up, by the relay's log."""
    lines = [line for line in place.log().splitlines() if "tunnel up" in line]
    return sorted(datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp() for line in lines)


def rates(times):
    """The peak of ten parts, of 0.1 s at least, and the mean, each a second, of what came between the first and the last."""
    span = max(times[-1] - times[0], 0.1)
    width = max(span / 10, 0.1)
    bins = [0] * 11
    for at in times: bins[int((at - times[0]) / width)] += 1
    return max(bins) / width, len(times) / span


# ClientHellos that never end

def slow_hellos(port, count, told, done):
    """Keeps so many connections on which a ClientHello comes byte by byte, each a second; in a process of its own."""
    bytes_out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), bytes_out, server_hostname="cellar.hold")
    with contextlib.suppress(ssl.SSLWantReadError): client.do_handshake()
    hello, places, again = bytes_out.read(), [None] * count, 0

    def turn(number):
        """False where the connection has ended."""
        try:
            if places[number] is None:
                connection = dial(port, 5)
                connection.setblocking(False)
                places[number] = [connection, 0]
            connection, at = places[number]
            connection.send(hello[at:at + 1])
            places[number][1] += 1
            return connection.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    is_first = True
    while not done.is_set():
        start = time.monotonic()
        for number in range(count):
            if not turn(number):
                if places[number]: places[number][0].close()
                places[number], again = None, again + 1
            ahead = start + number / count - time.monotonic()
            if ahead > 0: time.sleep(ahead)
        if is_first: told.put(sum(place is not None for place in places))
        is_first = False
    told.put(again)


def hellos(hold):
    count, place = hold.scaled(5_000, 500), relay(hold)
    target = serve_apart(answer_all)
    there = device(hold, place, ["cellar.hold"], target)
    port = place.port("public")
    until(200, port, "cellar.hold", time.monotonic(), 10)
    told, done = multiprocessing.Queue(), multiprocessing.Event()

    def requests(seconds):
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            times.append(served(port, "cellar.hold"))
            time.sleep(0.005)
        return sorted(times)

    requests(2)
    before = [p.descriptors() for p in (place, there)]
    quiet = requests(hold.scaled(20, 5))
    attack = multiprocessing.Process(target=slow_hellos, args=(port, count, told, done), daemon=True)
    attack.start()
    held = told.get(timeout=60)
    loud = requests(hold.scaled(60, 15))
    there_at_end = place.descriptors()
    done.set()
    again = told.get(timeout=60)
    attack.join()
    settled(hold, "slow ClientHellos: nothing left open", [place, there], before, 20)
    quiet = sorted(quiet + requests(hold.scaled(20, 5)))
    hold.check(f"{count} slow ClientHellos are held", held == count and there_at_end > count * 0.9,
               f"{there_at_end} descriptors of the relay at the end, {again} made anew, {place.rss():.0f} MiB")
    middle, last = (lambda times: times[len(times) // 2] * 1e6), (lambda times: times[len(times) * 99 // 100] * 1e6)
    hold.check("meanwhile others' p99 stays below twice the quiet one", last(loud) < 2 * last(quiet),
               f"{last(loud):.0f} µs, {last(quiet):.0f} quiet ({last(loud) / last(quiet):.2f}); p50 {middle(loud):.0f}, "
               f"{middle(quiet):.0f} quiet; {len(loud)} and {len(quiet)} requests")
    there.kill(), place.kill()


# Idle visitors

def serve_many():
    """What `answer_all` does for thousands of connections, in a process of its own; its port."""
    listener, parent = socket.create_server((HOST, 0), backlog=4096), os.getpid()

    def work():
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        while os.getppid() == parent:
            for key, _ in selector.select(1):
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                    continue
                try:
                    if not key.fileobj.recv(4096): raise EOFError
                    key.fileobj.sendall(ANSWER)
                except (OSError, EOFError):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    multiprocessing.Process(target=work, daemon=True).start()
    port = listener.getsockname()[1]
    listener.close()
    return port


def idle(hold):
    target, place = serve_many(), relay(hold)
    names = [f"d{number}.hold" for number in range(50)]
    there = device(hold, place, names, target)
    port, both = place.port("public"), [place, there]
    for name in names: until(200, port, name, time.monotonic(), 10)

    def ask(connection, number):
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {names[number % len(names)]}\r\n\r\n".encode())
        return receive(connection, len(ANSWER)) == ANSWER

    def arrive(number):
        connection = dial(port, 60)
        ask(connection, number)
        return connection

    for connection in parallel(500, 8, arrive): connection.close()
    wait(lambda: place.descriptors() < 200 and there.descriptors() < 200, 10)
    files, rss = [p.descriptors() for p in both], [p.rss() for p in both]
    start = time.monotonic()
    visitors = parallel(hold.visitors, 8, arrive)
    seconds = time.monotonic() - start
    time.sleep(2)
    grown = [(p.rss() - before) * 1024 / hold.visitors for p, before in zip(both, rss)]
    hold.check(f"{hold.visitors} idle visitors over {len(names)} tunnels take 32 KiB each at most", sum(grown) <= 32,
               f"{sum(grown):.2f} KiB: relay {grown[0]:.2f}, devices {grown[1]:.2f}; made in {seconds:.0f} s, "
               f"descriptors {[p.descriptors() for p in both]}, MiB {[round(p.rss()) for p in both]}")
    whole = sum(ask(connection, number) for number, connection in enumerate(visitors))
    hold.check("each of them is answered afterwards", whole == len(visitors), f"{whole} of {len(visitors)}")
    for connection in visitors: connection.close()
    settled(hold, "idle visitors: nothing left open", both, files, 20)
    there.kill(), place.kill()


hold = Hold(__doc__)
raise_limits(hold)
hold.run(bulk, lost, restart, hellos, idle)
