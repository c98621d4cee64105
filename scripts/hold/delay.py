#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A round trip of 100 ms: one stream through a jProxy tunnel gets what plain TCP gets on the same path, both ways."""

import collections, fcntl, select, statistics
from common import *

NEAR, FAR, HALF, SHARE = "10.9.0.1", "10.9.0.2", 0.05, 0.85
IPV4 = pathlib.Path("/proc/sys/net/ipv4")
BUFFERS = {"the system's buffers": None, "buffers of 16 MiB": 16 * MIB}  # the most that TCP may give a socket, each way
DOWN, UP = b"d", b"u"


# The path: a device whose packets come back later with their addresses exchanged, so that FAR is NEAR from afar.

def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(0)


def enter():
    """Goes on in a network namespace of its own."""
    if os.environ.get("HOLD_APART"): return
    for unshare in (["unshare", "-n"], ["unshare", "-rn"]):
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode == 0:
                os.execvpe("unshare", [*unshare, sys.executable, *sys.argv], {**os.environ, "HOLD_APART": "1"})
    skip("no network namespace of our own can be had (unshare -n)")


def make_device():
    """A tun device that takes and gives segments of up to 64 KiB, so that this program can carry a gigabyte a second."""
    try:
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"far", 0x0001 | 0x1000 | 0x4000))  # TUN, NO_PI, VNET_HDR
        fcntl.ioctl(device, 0x400454D0, 0x01 | 0x02)  # checksums and TCP segments are left to us, who leave them alone
        local = f"dev lo table local proto kernel scope host src {HOST} congctl cubic"
        for words in ("link set lo up", f"addr add {NEAR}/24 dev far", "link set far up txqueuelen 10000",
                      f"route replace {NEAR.rpartition('.')[0]}.0/24 dev far src {NEAR} congctl cubic",
                      f"route replace local 127.0.0.0/8 {local}", f"route replace local {HOST} {local}"):
            subprocess.run(["ip", *words.split()], check=True)
        (IPV4 / "tcp_no_metrics_save").write_text("1")  # no run learns from the one before
    except (OSError, subprocess.CalledProcessError) as error:
        skip(f"no path with a delay can be made: {error}")
    return device


def carry(device, parent):
    on_the_way, buffer = collections.deque(), bytearray(1 << 17)
    view = memoryview(buffer)
    while os.getppid() == parent:
        pause = max(0, on_the_way[0][0] - time.monotonic()) if on_the_way else 1
        if select.select([device], [], [], pause)[0]:
            with contextlib.suppress(BlockingIOError):
                for _ in range(64):
                    end = os.readv(device, [buffer])
                    if buffer[10] >> 4 == 4:  # behind ten bytes about the segment; 22 and 26 are where the addresses are
                        packet = b"".join((view[:22], view[26:30], view[22:26], view[30:end]))
                        on_the_way.append((time.monotonic() + HALF, packet))
        now = time.monotonic()
        while on_the_way and on_the_way[0][0] <= now: os.write(device, on_the_way.popleft()[1])


# The streams

TAKEN = multiprocessing.Value("Q", lock=False)


def origin(connection):
    if receive(connection, 1) == DOWN:
        block = bytes(1 << 18)
        while True: connection.sendall(block)
    buffer = bytearray(1 << 18)
    while count := connection.recv_into(buffer): TAKEN.value += count


def rate(connection, way, seconds):
    """MB/s of one stream that begins now: over the whole time, and over the second half."""
    got, half, block = 0, None, bytearray(1 << 18)
    with connection:
        connection.setblocking(False)
        before, start = TAKEN.value, time.monotonic()
        connection.send(way)
        while (now := time.monotonic()) < start + seconds:
            if way == UP: got = TAKEN.value - before
            if half is None and now >= start + seconds / 2: half = now, got
            with contextlib.suppress(BlockingIOError):
                if way == DOWN:
                    select.select([connection], [], [], 0.1)
                    if not (count := connection.recv_into(block)): raise EOFError(f"after {got} bytes")
                    got += count
                else:
                    select.select([], [connection], [], 0.1)
                    connection.send(block)
        abort(connection)
    return got / (now - start) / 1e6, (got - half[1]) / (now - half[0]) / 1e6


def plain(hold, way, seconds):
    connection = socket.create_connection((FAR, PORT), 10)
    return rate(connection, way, seconds)


def jproxy(hold, way, seconds):
    """A tunnel of its own for every run: it starts as cold as the plain connection."""
    server = hold.server(host=NEAR, extension="on")
    client = hold.client(server, host=FAR, extension="on")
    try:
        wait(lambda: "tunnel up" in client.log(), 10)
        return rate(socks5(client.port(), PORT), way, seconds)
    finally:
        server.kill(), client.kill()


def path(hold):
    times = []
    for _ in range(5):
        start = time.monotonic()
        socket.create_connection((FAR, PORT), 5).close()
        times.append(time.monotonic() - start)
    hold.check("the path", 0.1 <= min(times) < 0.12, f"round trips of {min(times) * 1000:.1f} to {max(times) * 1000:.1f} ms")


def streams(hold):
    limits = {name: (IPV4 / name).read_text().split() for name in ("tcp_rmem", "tcp_wmem")}
    for buffers, most in BUFFERS.items():
        for name, (low, middle, high) in limits.items():
            (IPV4 / name).write_text(f"{low} {middle} {most or high}")
        told = ", ".join(f"{name} {(IPV4 / name).read_text().split()[2]}" for name in limits)
        seen = collections.defaultdict(list)
        for _ in range(hold.scaled(3, 1)):
            for way in (DOWN, UP):
                for run in (plain, jproxy):
                    seen[run, way].append(run(hold, way, hold.scaled(10, 4)))
                    time.sleep(0.5)  # what is on the way arrives
        for what, way in (("down", DOWN), ("up", UP)):
            whole, late = ([statistics.median(speed[part] for speed in seen[run, way]) for run in (plain, jproxy)]
                           for part in (0, 1))
            hold.check(f"{what}, {buffers}", whole[1] >= SHARE * whole[0],
                       f"plain TCP {whole[0]:.1f} MB/s, jProxy {whole[1]:.1f}, {whole[1] / whole[0]:.0%}; "
                       f"in the second half {late[0]:.1f} and {late[1]:.1f}, {late[1] / late[0]:.0%} ({told})")
            for run in (plain, jproxy): print(f"     {run.__name__}:", *(f"{speed:.1f}" for speed, _ in seen[run, way]))


enter()
DEVICE = make_device()
multiprocessing.Process(target=carry, args=(DEVICE, os.getpid()), daemon=True).start()
os.close(DEVICE)
PORT = serve_apart(origin, host="0.0.0.0")
hold = Hold(__doc__)
hold.run(path, streams)
