#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""zhwkproX peers as they are deployed: they handle each message in a task of its own, after 0 to 500 µs, in whatever order
that gives, and fill up with zeros what comes in two segments. In a network of its own, with an MTU of 65536 and of 1500."""

import ctypes, ctypes.util, heapq, random, selectors
from common import *

KEY, VECTOR, DELAY, IDLE = b"samplekeytomatch", bytes(range(16)), 500e-6, 20
# A machine that stands still for a millisecond or two, as virtual ones do now and then, makes any gap nothing.
SHARE = 0.95
# More users would make these peers, which are written in Python, late by more than chance.
USERS = 1
GAPS = ("1us", "500us", "1ms", "2ms")


def enter_network():
    """Becomes a process in a network namespace of its own; once."""
    if os.environ.get("HOLD_RACY") == "inside": return
    test = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True)
    if test.returncode or not ctypes.util.find_library("crypto"):
        print(f"skipped: there is no libcrypto, or namespaces cannot be made here: {test.stderr.strip()}")
        sys.exit(0)
    os.environ["HOLD_RACY"] = "inside"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


class Cipher:
    """AES-128-CFB, begun anew for every message."""

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_cfb128"): getattr(self.lib, name).restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.EVP_CIPHER_CTX_new())
        self.kind = ctypes.c_void_p(self.lib.EVP_aes_128_cfb128())

    def __call__(self, data, encrypts):
        out, count = ctypes.create_string_buffer(len(data) + 32), ctypes.c_int()
        self.lib.EVP_CipherInit_ex(self.context, self.kind, None, KEY, VECTOR, int(encrypts))
        self.lib.EVP_CipherUpdate(self.context, out, ctypes.byref(count), data, len(data))
        return out.raw[:count.value]


class Racy:
    """One deployed program: a loop that reads messages and does them late. Runs in a process of its own."""

    def __init__(self, seed):
        self.chance, self.cipher, self.tasks, self.number = random.Random(seed), Cipher(), [], 0
        self.selector = selectors.DefaultSelector()

    def later(self, body):
        self.number += 1
        heapq.heappush(self.tasks, (time.monotonic() + self.chance.uniform(0, DELAY), self.number, body))

    def watch(self, connection, body):
        self.selector.register(connection, selectors.EVENT_READ, body)

    def forget(self, connection):
        with contextlib.suppress(KeyError, ValueError): self.selector.unregister(connection)
        connection.close()

    def run(self):
        # What is late here is late by chance only, and not because others have the processor.
        with contextlib.suppress(OSError): os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        with contextlib.suppress(OSError): self.turns()

    def turns(self):
        while True:
            wait = max(0, self.tasks[0][0] - time.monotonic()) if self.tasks else 1
            for key, _ in self.selector.select(wait): key.data(key.fileobj)
            while self.tasks and self.tasks[0][0] <= time.monotonic(): heapq.heappop(self.tasks)[2]()

    def message(self, tunnel):
        """One message of the tunnel: each field by one read, and what is missing is zero."""
        head = tunnel.recv(1)
        if not head: sys.exit(0)
        if head[0] not in (4, 6): sys.exit(3)  # the framing is lost
        place = self.field(tunnel, (4 if head[0] == 4 else 16) + 6)
        count = struct.unpack("<I", place[-4:])[0]
        if count > 1 << 20: sys.exit(3)
        return head + place[:-4], self.cipher(self.field(tunnel, count), False) if count else b""

    def field(self, tunnel, count):
        return tunnel.recv(count).ljust(count, b"\0") if count else b""

    def say(self, tunnel, place, data):
        tunnel.sendall(place + struct.pack("<I", len(data)) + (self.cipher(data, True) if data else b""))


class RacyExit(Racy):
    """Dials the inter-server, and opens what it asks for; one reply for each read of up to 100 kB."""

    def serve(self, port):
        tunnel = dial(port, 30)
        tunnel.sendall(b"\x80\1\0")
        receive(tunnel, 1)
        tunnel.sendall(bytes([22]) + b"fake random str.123456")
        receive(tunnel, receive(tunnel, 1)[0])
        tunnel.sendall(b"\1")
        self.targets = {}
        self.watch(tunnel, self.asked)
        self.tunnel = tunnel
        self.run()

    def asked(self, tunnel):
        place, data = self.message(tunnel)
        self.later(lambda: self.pass_on(place, data))

    def pass_on(self, place, data):
        target = self.targets.get(place)
        if target is None:
            try: target = dial(struct.unpack(">H", place[-2:])[0], 30)
            except OSError: return
            self.targets[place] = target
            self.watch(target, lambda _: self.answered(place, target))
        with contextlib.suppress(OSError): target.sendall(data)

    def answered(self, place, target):
        try: data = target.recv(100 << 10)
        except OSError: data = b""
        if not data:
            self.targets.pop(place, None)
            self.forget(target)
        self.say(self.tunnel, place, data)


def serve_whole(answer):
    """A server whose connections stay when the answer is given; its port."""
    listener = socket.create_server((HOST, 0), backlog=256)

    def accept():
        while True: threading.Thread(target=quietly, args=(answer, listener.accept()[0]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def quietly(body, *arguments):
    with contextlib.suppress(OSError, EOFError): body(*arguments)


class RacyInter(Racy):
    """Takes the exit and SOCKS users on one port; users get each reply as its task comes to it."""

    def serve(self, told):
        self.users, self.tunnel, self.greeted = {}, None, []
        self.bell, bell = socket.socketpair()
        self.watch(bell, lambda _: bell.recv(1) and self.greeted.pop()())
        told.put(serve_whole(self.arrived))
        self.run()

    def arrived(self, connection):
        """On a thread of its own, which does not hold up the loop."""
        connection.settimeout(30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = receive(connection, 3)
        if first[0] == 5:
            connection.sendall(b"\5\0")
            place = b"\4" + receive(connection, 10)[4:]
            self.enter(lambda: self.user_is_here(place, connection))
        else:
            connection.sendall(b"\x80")
            text = Cipher()(receive(connection, receive(connection, 1)[0]) + b"fake rand strings", True)
            connection.sendall(bytes([len(text)]) + text)
            receive(connection, 1)
            self.enter(lambda: self.exit_is_here(connection))

    def enter(self, body):
        self.greeted.append(body)
        self.bell.send(b"!")

    def exit_is_here(self, tunnel):
        self.tunnel = tunnel
        self.watch(tunnel, self.replied)

    def user_is_here(self, place, user):
        self.users[place] = user
        self.watch(user, lambda _: self.asked(place, user))
        user.sendall(b"\5\0\0\1" + bytes(6))

    def asked(self, place, user):
        try: data = user.recv(100 << 10)
        except OSError: data = b""
        if data: return self.say(self.tunnel, place, data)
        if self.users.get(place) is user: del self.users[place]
        self.forget(user)

    def replied(self, tunnel):
        place, data = self.message(tunnel)
        self.later(lambda: self.give(place, data))

    def give(self, place, data):
        user = self.users.get(place)
        if user is None: return
        with contextlib.suppress(OSError):
            if data: user.sendall(data)
            else: user.shutdown(socket.SHUT_RDWR)


# Exchanges

def target():
    """A port for one exchange, as two of one destination would be mixed."""
    listener = socket.create_server((HOST, 0))
    listener.settimeout(10)

    def once():
        with listener, listener.accept()[0] as connection: answer(connection)

    threading.Thread(target=quietly, args=(once,), daemon=True).start()
    return listener.getsockname()[1]


def answer(connection):
    """So many bytes there, so many back."""
    connection.settimeout(10)
    up, down, seed = struct.unpack(">III", receive(connection, 12))
    taken = receive(connection, up) if up else b""
    connection.sendall(hashlib.sha256(taken).digest() + content(seed, down))


def exchange(front, seed, most, way):
    """Whether the target got what was sent, and the user what was answered. `way`: what is large."""
    chance = random.Random(seed)
    size = lambda is_large: int(most ** chance.random()) if is_large else 1
    up, down, port = size(way != "down"), size(way != "up"), target()
    sent = content(seed, up)
    try:
        with socks5(front, port, 10) as user:
            user.sendall(struct.pack(">III", up, down, seed) + sent)
            got = receive(user, 32 + down)
    except (OSError, EOFError, Refused):
        return False, False
    return got[:32] == hashlib.sha256(sent).digest(), got[32:] == content(seed, down)


def exchanges(front, count, most, way, parallel_users):
    results = parallel(count, parallel_users, lambda number: exchange(front, number, most, way))
    return [sum(result[side] for result in results) for side in (0, 1)]


def apart(body, *arguments):
    process = multiprocessing.Process(target=body, args=arguments, daemon=True)
    process.start()
    return process


def inter_server(hold, count, most, gap, mtu):
    """Our inter-server before a racy exit."""
    inter = hold.start("inter", f"""
inbounds: [ {{ name: front, type: mixed, listen: "{HOST}:0", to: exit }} ]
outbounds: [ {{ name: exit, type: zhwkprox, listen: "{HOST}:0", gap: {gap} }}]""")
    peer = apart(lambda port: RacyExit(1).serve(port), inter.port("exit"))
    wait(lambda: "tunnel up" in inter.log(), 10)
    start = time.monotonic()
    right = exchanges(inter.port(), count, most, "up", USERS)[0]
    took = time.monotonic() - start
    # Half a millisecond is just what a peer may be late.
    ok = right >= SHARE * count or gap in GAPS[:2]
    hold.check(f"MTU {mtu}, gap {gap}: uploads to a racy exit", ok, f"{right} of {count} right in {took:.0f} s")
    peer.kill(), inter.kill()


def exit_of_ours(hold, count, most, gap, mtu):
    """Our exit before a racy inter-server; and, for comparison, a racy exit."""
    rights = {}
    for whose in ("ours", "a racy one"):
        told = multiprocessing.SimpleQueue()
        peer = apart(lambda: RacyInter(2).serve(told))
        port = told.get()
        if whose == "ours":
            end = Warren(hold, "exit", f"""
inbounds: [ {{ name: exit, type: zhwkprox, dial: "{HOST}:{port}", gap: {gap} }} ]
egress: {{ allow: [loopback] }}""", ready=False)
            hold.processes.append(end)
            wait(lambda: "tunnel up" in end.log(), 10)
        else:
            end = apart(lambda: RacyExit(3).serve(port))
            time.sleep(0.5)
        rights[whose] = exchanges(port, count, most, "down", USERS)[1]
        end.kill(), peer.kill()
    hold.check(f"MTU {mtu}, gap {gap}: replies of our exit to a racy inter-server", gap in GAPS[:2]
               or rights["ours"] >= max(SHARE * count, rights["a racy one"]), f"{rights['ours']} of {count} right, of a racy exit {rights['a racy one']}")


def racy(hold):
    for mtu in (65536, 1500):
        subprocess.run(["ip", "link", "set", "lo", "mtu", str(mtu), "up"], check=True)
        for gap in GAPS:
            count = hold.scaled(1000, 100) if gap == "1ms" else 100
            inter_server(hold, count, 400_000, gap, mtu)
            exit_of_ours(hold, count, 400_000, gap, mtu)


enter_network()
hold = Hold(__doc__)
hold.run(racy)
