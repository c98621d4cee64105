#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A random walk for an hour (3 minutes: --quick) at a low rate over everything: whatever users, targets and names do, nobody
crashes, no byte is wrong, and memory, descriptors and threads are as they were. WALK_MINUTES sets another length."""

import random, secrets
from collections import Counter
from common import *

SILENT, UNREACHABLE4, UNREACHABLE6 = "10.66.0.2", "10.99.0.1", "fd99::1"
WARM_UP, GROWTH = 0.25, 1.0  # the share of the walk that is not looked at, and MiB an hour
NAME_SERVER = "127.0.0.153"


# The place: a network of its own, and a name server that is of all sorts.

def enter_place(_):
    """Becomes a process in namespaces of its own; once."""
    if os.environ.get("HOLD_WALK") == "inside": return
    test = subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True, text=True)
    if test.returncode:
        print(f"skipped: namespaces cannot be made here: {test.stderr.strip()}")
        sys.exit(0)
    os.environ["HOLD_WALK"] = "inside"
    os.execvp("unshare", ["unshare", "-m", "-n", sys.executable, *sys.argv])


def furnish(hold):
    # What is sent to SILENT goes to a machine that is not there.
    for words in ("link set lo up", "link add d0 type veth peer name d1", "addr add 10.66.0.1/24 dev d0", "link set d0 up",
                  "link set d1 up", f"neigh add {SILENT} lladdr 02:00:00:00:00:99 dev d0"):
        subprocess.run(["ip", *words.split()], check=True)
    for name, text in (("resolv.conf", f"nameserver {NAME_SERVER}\noptions timeout:2 attempts:2\n"),
                       ("nsswitch.conf", "hosts: files dns\n")):
        (hold.folder / name).write_text(text)
        subprocess.run(["mount", "--bind", hold.folder / name, f"/etc/{name}"], check=True)
    threading.Thread(target=name_server, daemon=True).start()


def name_server():
    """NAME.live.test is this machine by both families, slow.test the same after a second; unknown.test is unknown; dead.test
    is never answered."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((NAME_SERVER, 53))
    while True:
        query, peer = server.recvfrom(2000)
        threading.Thread(target=answer_query, args=(server, query, peer), daemon=True).start()


def answer_query(server, query, peer):
    end = query.index(0, 12)
    name, kind = query[12:end].lower(), query[end + 1:end + 3]
    if name.endswith(b"\4dead\4test"): return
    if b"\4slow" in name: time.sleep(1)
    address = {b"\0\1": b"\x7f\0\0\1", b"\0\x1c": bytes(15) + b"\1"}.get(kind)
    known = not name.endswith(b"\7unknown\4test")
    answers = b"\xc0\x0c" + kind + struct.pack(">HIH", 1, 0, len(address)) + address if known and address else b""
    server.sendto(query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, bool(answers), 0, 0)
                  + query[12:end + 5] + answers, peer)


class Papers:
    """An authority and certificates of the servers, exchanged under way; users that come and go."""

    def __init__(self, hold):
        self.folder, self.hold, self.number, self.guests = hold.folder, hold, 0, []
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-subj", "/CN=Walk", "-keyout", "ca.key", "-out", "ca.pem")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        hold.key()
        self.renew()

    def openssl(self, *words): subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def renew(self):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                     "-keyout", "new.key", "-out", "new.csr")
        self.openssl("x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "20",
                     "-set_serial", str(secrets.randbits(60)), "-extfile", "names", "-out", "new.pem")
        for end in ("key", "pem"): (self.folder / f"new.{end}").rename(self.folder / f"server.{end}")

    def exchange_users(self):
        """One more, and the one before leaves."""
        self.number += 1
        for file in self.guests: file.unlink()
        place = self.folder / f"guest{self.number}"
        subprocess.run([self.hold.warren, "keygen", "jproxy", place.name, "--out", place], check=True, stdout=subprocess.DEVNULL)
        self.guests = [pathlib.Path(shutil.copy(file, self.folder / "users")) for file in (place / "users").iterdir()]


# Targets

def far(kind):
    """A target, the same on one port of both families."""
    for _ in range(20):
        first = socket.create_server((HOST, 0), backlog=256)
        port = first.getsockname()[1]
        try:
            second = socket.create_server(("::1", port), family=socket.AF_INET6, backlog=256)
        except OSError:
            first.close()
            continue
        for listener in (first, second): threading.Thread(target=accept, args=(listener, kind), daemon=True).start()
        return port
    raise RuntimeError("no port of both families")


def accept(listener, kind):
    def one(connection):
        with connection, contextlib.suppress(OSError, EOFError): kind(connection)
    while True: threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def echo(connection):
    while piece := connection.recv(1 << 16): connection.sendall(piece)


def late(connection): connection.sendall(receive_all(connection))


def reset(connection):
    connection.recv(10)
    abort(connection)


def flood(connection): pour(connection, 24 * MIB)


def sink(connection): time.sleep(5)


# Users

class Front:
    """Where users come in; `whole`: half-closes, resets and ends of users reach the other side."""

    def __init__(self, port, whole=True, names=True, fixed=False):
        self.port, self.whole, self.names, self.fixed = port, whole, names, fixed
        self.done, self.faults = Counter(), Counter()

    def open(self, port, host=HOST, seconds=20):
        if self.fixed: return dial(self.port, seconds)
        connection = dial(self.port, seconds)
        try:
            return ask_socks(connection, host, port)
        except BaseException:
            connection.close()
            raise


def ask_socks(connection, host, port):
    connection.sendall(b"\5\1\0")
    if receive(connection, 2) != b"\5\0": raise Refused("method")
    if ":" in host: address = b"\4" + socket.inet_pton(socket.AF_INET6, host)
    elif host[0].isdigit(): address = b"\1" + socket.inet_aton(host)
    else: address = b"\3" + bytes([len(host)]) + host.encode()
    connection.sendall(b"\5\1\0" + address + struct.pack(">H", port))
    reply = receive(connection, 4)
    receive(connection, {1: 6, 4: 18}[reply[3]])
    if reply[1]: raise Refused(reply[1])
    return connection


class Walk:
    def __init__(self, targets, chance): self.targets, self.chance = targets, chance

    def there(self, front):
        """One of the ways to name this machine."""
        return self.chance.choice([HOST, HOST, "::1", f"n{self.chance.randrange(40)}.live.test", "slow.test"] if front.names else [HOST])

    def echoes(self, front):
        with front.open(self.targets["echo"], self.there(front)) as user:
            for _ in range(self.chance.randrange(1, 4)):
                user.sendall(sent := self.chance.randbytes(self.chance.randrange(1, 20_000)))
                if receive(user, len(sent)) != sent: raise ValueError("other bytes")

    def big(self, front):
        sent = self.chance.randbytes(MIB)
        with front.open(self.targets["echo"]) as user:
            threading.Thread(target=quietly, args=(user.sendall, sent), daemon=True).start()
            if receive(user, len(sent)) != sent: raise ValueError("other bytes")

    def half_closes(self, front):
        sent = self.chance.randbytes(3000)
        with front.open(self.targets["late"], self.there(front)) as user:
            user.sendall(sent)
            user.shutdown(socket.SHUT_WR)
            if receive_all(user) != sent: raise ValueError("other bytes")

    def leaves(self, front):
        user = front.open(self.targets["echo"], self.there(front))
        user.sendall(bytes(3000))
        abort(user) if self.chance.random() < 0.5 else user.close()

    def is_reset(self, front):
        with front.open(self.targets["reset"]) as user:
            with contextlib.suppress(ConnectionResetError):
                user.sendall(bytes(10))
                if user.recv(1) == b"" and front.whole: raise ValueError("a reset looks like an end")

    def stalls(self, front):
        with front.open(self.targets["sink"]) as user:
            user.settimeout(2)
            with contextlib.suppress(OSError):
                for _ in range(40): user.sendall(bytes(1 << 16))

    def gives_up(self, front):
        with front.open(self.targets["flood"]) as user:
            user.recv(1000)
            time.sleep(1)

    def nowhere(self, front):
        """Refused, unreachable and unknown ends; each is told."""
        host, port = self.chance.choice([(HOST, CLOSED), ("::1", CLOSED), (UNREACHABLE4, 9), (UNREACHABLE6, 9),
                                         (f"n{self.chance.randrange(99)}.unknown.test", 9)])
        try:
            with front.open(port, host) as user:
                # Without the extension zhwkproX has no word for it.
                if front.whole: raise ValueError(f"{host} was not refused")
                if user.recv(1): raise ValueError("bytes from nowhere")
        except (Refused, ConnectionResetError): pass

    def silent(self, front):
        """A server or a name that never answers: the user leaves."""
        host = self.chance.choice([SILENT, f"n{self.chance.randrange(99)}.dead.test"])
        with contextlib.suppress(TimeoutError, Refused), front.open(9, host, self.chance.uniform(0.1, 2)): pass

    def killed(self, front):
        """A whole program of a user dies under way."""
        user = subprocess.Popen(["curl", "-s", "-o", os.devnull, "-x", f"socks5h://{HOST}:{front.port}",
                                 f"http://{HOST}:{self.targets['flood']}/"])
        time.sleep(self.chance.uniform(0.05, 1))
        user.kill()
        user.wait()

    def kinds(self, front):
        kinds = [self.echoes] * 6 + [self.leaves, self.big]
        if front.whole: kinds += [self.half_closes, self.is_reset]
        if not front.fixed: kinds += [self.nowhere] * 2 + [self.silent]
        if front.whole and not front.fixed: kinds += [self.stalls, self.gives_up, self.killed]
        return kinds

    def user(self, front, end):
        while time.monotonic() < end:
            start, kind = time.monotonic(), self.chance.choice(self.kinds(front))
            try:
                kind(front)
                front.done[kind.__name__] += 1
            except (OSError, EOFError, ValueError, Refused) as error:
                front.faults[f"{kind.__name__}: {type(error).__name__} {error}"] += 1
            time.sleep(max(0, self.chance.uniform(0.3, 0.9) - (time.monotonic() - start)))


def quietly(body, *arguments):
    with contextlib.suppress(OSError): body(*arguments)


# Programs

EGRESS = f"egress: {{ allow: [loopback, {SILENT}, {UNREACHABLE4}, {UNREACHABLE6}] }}"


class Programs:
    """One of each, and a victim of each that dials, which is killed again and again."""

    def __init__(self, hold):
        self.hold, self.all = hold, {}
        self.tls, self.trust = (f"tls: {{ {keys} }}" for keys in (
            f"cert: {hold.folder}/server.pem, key: {hold.folder}/server.key", f"ca: {hold.folder}/ca.pem"))
        users = f"users: {hold.folder}/users"
        self.start("direct", f"inbounds: [ {{ name: front, type: mixed, listen: \"{HOST}:0\" }} ]\n{EGRESS}")
        jproxy = self.start("jserver", f"""
inbounds:
  - {{ name: t, type: jproxy, listen: "{HOST}:0", {users}, {self.tls} }}
  - {{ name: o, type: jproxy, listen: "{HOST}:0", {users}, extension: off }}
{EGRESS}""")
        inter = self.start("inter", f"""
inbounds:
  - {{ name: on, type: mixed, listen: "{HOST}:0", to: zon }}
  - {{ name: off, type: mixed, listen: "{HOST}:0", to: zoff }}
  - {{ name: v, type: mixed, listen: "{HOST}:0", to: zv }}
outbounds:
  - {{ name: zon, type: zhwkprox, listen: "{HOST}:0", {self.tls} }}
  - {{ name: zoff, type: zhwkprox, listen: "{HOST}:0", extension: off, idle: 5s }}
  - {{ name: zv, type: zhwkprox, listen: "{HOST}:0" }}""")
        relay = self.start("relay", f"relays: [ {{ name: r, type: jet, listen: [\"tls://{HOST}:0\"], {self.tls} }} ]")
        self.relay = f'relay: "tls://localhost:{relay.port("r")}", {self.trust}'
        self.jproxy = f'server: "localhost:{jproxy.port("t")}", key: {hold.key()}, {self.trust}'
        self.start("jclient", f"""
inbounds:
  - {{ name: on, type: mixed, listen: "{HOST}:0", to: on }}
  - {{ name: off, type: mixed, listen: "{HOST}:0", to: off }}
outbounds:
  - {{ name: on, type: jproxy, {self.jproxy} }}
  - {{ name: off, type: jproxy, server: "{HOST}:{jproxy.port("o")}", key: {hold.key()}, extension: off }}""")
        self.start("exit", f"""
inbounds:
  - {{ name: on, type: zhwkprox, dial: "tls://localhost:{inter.port("zon")}", {self.trust} }}
  - {{ name: off, type: zhwkprox, dial: "{HOST}:{inter.port("zoff")}", extension: off, idle: 5s }}
{EGRESS}""")
        self.inter = inter

    def start(self, name, config):
        self.all[name] = self.hold.start(name, config)
        return self.all[name]

    def device(self, name, target):
        self.start(name, f"""
inbounds: [ {{ name: d, type: jet, {self.relay}, target: "{HOST}:{target}", repeat: true, announce: {self.hold.folder}/{name}.at }} ]
{EGRESS}""")
        if not wait((self.hold.folder / f"{name}.at").exists, 10): raise RuntimeError(f"{name} announces nothing")

    def support(self):
        self.start("support", f"""
inbounds: [ {{ name: f, type: forward, listen: "{HOST}:0", to: o }} ]
outbounds: [ {{ name: o, type: jet, {self.relay}, associationFile: {self.hold.folder}/device.at }} ]""")

    def victim(self):
        """All three that dial in one."""
        process = Warren(self.hold, "victim", f"""
inbounds:
  - {{ name: front, type: mixed, listen: "{HOST}:0", to: office }}
  - {{ name: v, type: zhwkprox, dial: "{HOST}:{self.inter.port("zv")}" }}
  - {{ name: d, type: jet, {self.relay}, target: "{HOST}:9", repeat: true, announce: {self.hold.folder}/victim.at }}
outbounds: [ {{ name: office, type: jproxy, {self.jproxy} }} ]
{EGRESS}""")
        self.hold.processes.append(process)
        return process


# The walk

def victims(programs, targets, end, chance):
    """Killed with users in them, and started again."""
    deaths = 0
    while time.monotonic() < end:
        process = programs.victim()
        users = [Front(process.port()), Front(programs.inter.port("v"))]
        until = time.monotonic() + chance.uniform(3, 20)
        while time.monotonic() < until:
            for user in users:
                # Whatever comes of them.
                with contextlib.suppress(OSError, EOFError, Refused):
                    held = user.open(targets["echo"], seconds=1)
                    quietly(held.sendall, bytes(1000))
                    threading.Timer(chance.uniform(0, 3), held.close).start()
            time.sleep(0.5)
        process.kill()
        deaths += 1
    return deaths


def slope(rows):
    """MiB an hour of (seconds, MiB), by least squares."""
    mean = [sum(column) / len(rows) for column in zip(*rows)]
    spread = sum((at - mean[0]) ** 2 for at, _ in rows) or 1
    return 3600 * sum((at - mean[0]) * (size - mean[1]) for at, size in rows) / spread


def walk(hold):
    minutes = float(os.environ.get("WALK_MINUTES", hold.scaled(60, 3)))
    furnish(hold)
    papers = Papers(hold)
    targets = {kind.__name__: far(kind) for kind in (echo, late, reset, flood, sink)}
    programs = Programs(hold)
    programs.device("device", targets["echo"])
    programs.support()
    fronts = {
        "direct": Front(programs.all["direct"].port()),
        "jproxy on": Front(programs.all["jclient"].port("on")),
        "jproxy off": Front(programs.all["jclient"].port("off"), whole=False),
        "zhwkprox on": Front(programs.all["inter"].port("on")),
        "zhwkprox off": Front(programs.all["inter"].port("off"), whole=False),
        "jet": Front(programs.all["support"].port("f"), fixed=True, whole=False),
    }
    time.sleep(2)
    before = {name: (process.descriptors(), process.threads()) for name, process in programs.all.items()}
    begun = time.monotonic()
    end, rows = begun + 60 * minutes, {name: [] for name in programs.all}
    for number, front in enumerate(fronts.values()):
        for half in range(2):
            one = Walk(targets, random.Random(f"{number} {half}"))
            threading.Thread(target=one.user, args=(front, end), daemon=True).start()
    killer = threading.Thread(target=lambda: deaths.append(victims(programs, targets, end, random.Random(1))), daemon=True)
    deaths = []
    killer.start()
    for number in range(10 ** 9):
        time.sleep(min(10, max(0, end - time.monotonic())))
        if time.monotonic() >= end: break
        for name, process in programs.all.items():
            if process.alive(): rows[name].append((time.monotonic() - begun, process.rss()))
        if number % 6 == 5: papers.renew()
        if number % 6 == 2: papers.exchange_users()
    killer.join(30)
    print(f"     {minutes:g} minutes; certificates exchanged {number // 6} times, users {papers.number}, {sum(deaths)} victims killed")
    for name, front in fronts.items():
        hold.check(f"{name}: every user got what is right", not front.faults and front.done["echoes"] > 0,
                   f"{sum(front.done.values())} right, wrong: {dict(front.faults)}")
    hold.check("nobody crashed", all(one.alive() for one in programs.all.values()))
    back(hold, programs, before)
    flat(hold, rows, minutes)


def back(hold, programs, before):
    """Lines of names and carriers that stood by end within half a minute."""
    now = lambda: {name: (process.descriptors(), process.threads()) for name, process in programs.all.items()}
    fits = lambda: all(now()[name][0] <= before[name][0] + 2 for name in before)
    wait(fits, 60, 0.5)
    for name, (descriptors, threads) in now().items():
        hold.check(f"{name}: descriptors and threads are back", descriptors <= before[name][0] + 2,
                   f"{before[name][0]} and {before[name][1]} before, {descriptors} and {threads} after")


def flat(hold, rows, minutes):
    (hold.folder / "sizes").write_text(repr(rows))
    for name, all in rows.items():
        seen = [row for row in all if row[0] >= WARM_UP * 60 * minutes]
        grown = slope(seen)
        # A few minutes say nothing of an hour.
        hold.check(f"{name}: memory stays flat", grown < GROWTH or minutes < 30,
                   f"{grown:+.2f} MiB an hour, {seen[0][1]:.1f} to {seen[-1][1]:.1f} MiB, at most {max(row[1] for row in all):.1f}")


CLOSED, KEEPER = closed_port()
hold = Hold(__doc__)
enter_place(hold)
hold.run(walk)
