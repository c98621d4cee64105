#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The network goes away without a word and comes back: found within 30 s, back within 2 s, with and without traffic."""

import ctypes, datetime

from common import *

NEAR, FAR = "10.77.1.2", "10.77.2.2"
ON_NETWORK = "egress: { allow: [loopback, 10.77.0.0/16] }"
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words): subprocess.run(["ip", *words], check=True, capture_output=True)


class Network:
    """Two namespaces and a router between them that can swallow everything."""
    def __init__(self):
        self.near, self.router, self.far = (f"hold{end}{os.getpid()}" for end in "crs")
        self.made = []

    def __enter__(self):
        try:
            for name in (self.near, self.router, self.far):
                ip("netns", "add", name)
                self.made.append(name)
                ip("-n", name, "link", "set", "lo", "up")
            for number, name, address in ((1, self.near, NEAR), (2, self.far, FAR)):
                device, gate = f"h{number}", f"10.77.{number}.1"
                ip("link", "add", device, "netns", name, "type", "veth", "peer", "name", device, "netns", self.router)
                for place, at in ((name, address), (self.router, gate)):
                    ip("-n", place, "addr", "add", f"{at}/24", "dev", device)
                    ip("-n", place, "link", "set", device, "up")
                ip("-n", name, "route", "add", "default", "via", gate)
            self.works(True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.made: subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def works(self, does):
        ip("netns", "exec", self.router, "sysctl", "-qw", f"net.ipv4.ip_forward={int(does)}")


@contextlib.contextmanager
def inside(namespace):
    """This thread, and what it starts meanwhile, is in the namespace."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        if LIBC.setns(there.fileno(), 0x40000000): raise OSError(ctypes.get_errno(), "setns")
        try: yield
        finally: LIBC.setns(home.fileno(), 0x40000000)


def tunnels(hold, network):
    """Name of tunnel -> the program in which its user is, and that user's port; every end dials that can."""
    made, users = {}, hold.key() and f"{hold.folder}/users"
    for on in ("on", "off"):
        with inside(network.far):
            server = hold.start(f"jserver-{on}", f"""
inbounds: [ {{ name: t, type: jproxy, listen: "{FAR}:0", users: {users}, extension: {on} }} ]
{ON_NETWORK}""")
            inter = hold.start(f"zinter-{on}", f"""
inbounds: [ {{ name: front, type: mixed, listen: "{HOST}:0", to: z }} ]
outbounds: [ {{ name: z, type: zhwkprox, listen: "{FAR}:0", extension: {on} }} ]""")
        with inside(network.near):
            client = hold.start(f"jclient-{on}", f"""
inbounds: [ {{ name: front, type: mixed, listen: "{HOST}:0", to: o }} ]
outbounds: [ {{ name: o, type: jproxy, server: "{FAR}:{server.port('t')}", key: {hold.key()}, extension: {on} }} ]""")
            leaf = Warren(hold, f"zexit-{on}", f"""
inbounds: [ {{ name: e, type: zhwkprox, dial: "{FAR}:{inter.port('z')}", extension: {on} }} ]
{ON_NETWORK}""", ready=False)
            hold.processes.append(leaf)
        made[f"jproxy, extension {on}"] = (network.near, client, network.far, client)
        made[f"zhwkprox, extension {on}"] = (network.far, inter, network.near, leaf)
    return made


def serves(space, port, target, patience=2):
    with inside(space):
        try:
            with socks5(port, target, patience) as user:
                user.settimeout(patience)
                user.sendall(b"ping")
                return user.recv(4) == b"ping"
        except (OSError, EOFError, Refused): return False


def echo(space):
    with inside(space): listener = socket.create_server((HOST, 0))

    def serve(one):
        with contextlib.suppress(OSError), one:
            while piece := one.recv(65536): one.sendall(piece)

    def accept():
        while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def lost_after(process, since):
    """Seconds from `since` until the dialling end said that its tunnel is down; None if it has not."""
    for line in process.log().splitlines():
        if "tunnel down" not in line and "tunnel not up" not in line: continue
        at = datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()
        if at > since: return at - since


def outage(hold, network, asked):
    what = "with users" if asked else "without users"
    all = tunnels(hold, network)
    target = {space: echo(space) for space in (network.near, network.far)}
    ready = [wait(lambda: serves(space, user.port(), target[exit]), 10) for space, user, exit, _ in all.values()]
    if not hold.check(f"{what}: every tunnel serves", False not in map(bool, ready)): return
    stop = threading.Event()

    def ask(space, user, exit):
        while not stop.wait(1): serves(space, user.port(), target[exit])
    askers = [threading.Thread(target=ask, args=one[:3], daemon=True) for one in all.values() if asked]
    for one in askers: one.start()
    time.sleep(2)
    since = time.time()
    network.works(False)
    time.sleep(hold.scaled(60, 33))
    for name, (_, _, _, dialler) in all.items():
        took = lost_after(dialler, since)
        hold.check(f"{what}: {name}: found within 30 s", took is not None and took <= 30, f"{took} s")
    network.works(True)
    back, up = {}, time.monotonic()
    while len(back) < len(all) and time.monotonic() - up < 20:
        for name, (space, user, exit, _) in all.items():
            if name not in back and serves(space, user.port(), target[exit], 0.3): back[name] = time.monotonic() - up
    stop.set()
    for name in all:
        took = back.get(name, 99)
        hold.check(f"{what}: {name}: back within 2 s", took <= 2, f"{took:.1f} s")
    for one in hold.processes: one.kill()


def idle(hold):
    with Network() as network: outage(hold, network, False)


def busy(hold):
    with Network() as network: outage(hold, network, True)


hold = Hold(__doc__)
try:
    with Network(): pass
except (OSError, subprocess.CalledProcessError) as error:
    print(f"skipped: network namespaces cannot be made here: {error}")
    sys.exit(0)
hold.run(idle, busy)
