# SPDX-License-Identifier: Apache-2.0
"""A path with a round trip of 100 ms, in a network namespace of its own."""

import collections, fcntl, select
from common import *

NEAR, FAR, HALF = "10.9.0.1", "10.9.0.2", 0.05
IPV4 = pathlib.Path("/proc/sys/net/ipv4")

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


def begin():
    """Goes on where FAR is this machine from afar. Before any thread starts."""
    enter()
    device = make_device()
    multiprocessing.Process(target=carry, args=(device, os.getpid()), daemon=True).start()
    os.close(device)


def measured(hold, port):
    """Whether the path is what it should be; the port takes connections on all addresses."""
    times = []
    for _ in range(5):
        start = time.monotonic()
        socket.create_connection((FAR, port), 5).close()
        times.append(time.monotonic() - start)
    hold.check("the path", 0.1 <= min(times) < 0.12, f"round trips of {min(times) * 1000:.1f} to {max(times) * 1000:.1f} ms")
