#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes arrive whole through every front, refusals are told with the right code, and a lost tunnel is a loud one."""

import subprocess
from common import *

ORIGIN = Origin.start()
FRONTS = {"socks5": ["--socks5-hostname"], "socks4a": ["--socks4a"], "http": ["-x"], "connect": ["-p", "-x"]}


def curl(front, port, *arguments, seconds=300):
    """Through a front: (exit code, SHA-256 of the body or None, body if short, errors, seconds)."""
    start = time.monotonic()
    address = f"http://{HOST}:{port}" if "-x" in FRONTS[front] else f"{HOST}:{port}"
    process = subprocess.Popen(["curl", "-sS", "--noproxy", "", "-m", str(seconds), *FRONTS[front], address, *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    digest, body = hashlib.sha256(), b""
    while piece := process.stdout.read1(MIB):
        digest.update(piece)
        body = (body + piece)[:200]
    errors = process.stderr.read().decode().strip()
    process.stdout.close(), process.stderr.close()
    return process.wait(), digest.hexdigest(), body, errors, time.monotonic() - start


def bulk(hold):
    size = hold.scaled(500) * MIB
    file, digest = big(hold, size)
    for path, port in hold.ports.items():
        for front in FRONTS:
            code, seen, _, errors, seconds = curl(front, port, f"http://{HOST}:{ORIGIN}/big/{size}")
            hold.check(f"{path} {front} down", code == 0 and seen == digest,
                       f"{size >> 20} MiB in {seconds:.2f} s, {size / MIB / seconds:.0f} MiB/s {errors}")
            code, _, body, errors, seconds = curl(front, port, "-T", file, f"http://{HOST}:{ORIGIN}/put")
            hold.check(f"{path} {front} up", code == 0 and body.decode() == digest,
                       f"{size >> 20} MiB in {seconds:.2f} s, {size / MIB / seconds:.0f} MiB/s {errors}")
    file.unlink()


def crowd(hold):
    count, size = hold.scaled(200, 40), hold.scaled(3 * MIB, MIB)

    for path, port in hold.ports.items():
        def one(number):
            front = list(FRONTS)[number % 4]
            code, seen, *_, errors, _ = curl(front, port, f"http://{HOST}:{ORIGIN}/{path}{number}/{size}")
            good = code == 0 and seen == hashlib.sha256(content(f"{path}{number}", size)).hexdigest()
            return None if good else f"{front} {code} {errors}"
        start = time.monotonic()
        wrong = [result for result in parallel(count, count, one) if result]
        hold.check(f"{path} {count} downloads at once", not wrong,
                   f"{len(wrong)} wrong of {size} bytes each, {time.monotonic() - start:.1f} s {wrong[:3]}")


def refusals(hold):
    port, keeper = closed_port()
    targets = {"refused": f"{HOST}:{port}", "unknown": "nope.invalid:80", "forbidden": "10.0.0.1:80"}
    socks = {"refused": "(5)", "unknown": "(4)", "forbidden": "(2)"}
    http = {"refused": "502", "unknown": "502", "forbidden": "403"}
    # The deployed jProxy has no word for "forbidden"; between two Warrens the real reason passes.
    ports = hold.ports | {"jproxy, extension off": hold.client(hold.server(extension="off"), extension="off").port()}
    for path, front_port in ports.items():
        for front in FRONTS:
            for what, target in targets.items():
                mute = what == "forbidden" and path.endswith("off")
                code, _, body, errors, seconds = curl(front, front_port, "-o", "/dev/null", "-w",
                                                      "%{http_connect} %{http_code}", f"http://{target}/", seconds=10)
                if front == "socks5":
                    good = code == 97 and ("(1)" if mute else socks[what]) in errors
                elif front == "socks4a":
                    good = code == 97
                else:
                    status = body.split()[0 if front == "connect" else 1].decode()
                    good = status == ("502" if mute else http[what])
                hold.check(f"{path} {front} {what}", good and seconds < 1, f"{seconds:.2f} s {body.decode()} {errors}")
    keeper.close()


def lost(hold):
    for away in (1, hold.scaled(12, 3)):
        for asks in (True, False):
            away_once(hold, away, asks)


def away_once(hold, away, asks):
    """Kills the server under running transfers; `asks`: requests go on while it is away."""
    front, port, ends, started = hold.client_end.port(), hold.server_end.port("tunnel"), [], threading.Barrier(31)

    def stream(number):
        connection = dial(front, 60)
        target = f"{HOST}:{ORIGIN}"
        get = f"GET http://{target}/slow/{100 * MIB}/{MIB} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
        if number % 3 == 0:
            connection.close()
            connection = socks5(front, ORIGIN, 60)
            get = get.replace(f"http://{target}".encode(), b"", 1)
        elif number % 3 == 1:
            connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            receive(connection, len(b"HTTP/1.1 200 "))
            get = get.replace(f"http://{target}".encode(), b"", 1)
        connection.sendall(get)
        receive(connection, 20_000)
        started.wait(30)
        try:
            while connection.recv(1 << 16): pass
            how = "clean end"
        except OSError as error:
            how = type(error).__name__
        ends.append((time.monotonic(), ["socks5", "connect", "http"][number % 3], how))

    threads = [threading.Thread(target=stream, args=(n,), daemon=True) for n in range(30)]
    for thread in threads: thread.start()
    started.wait(30)
    hold.server_end.kill()
    killed = time.monotonic()
    for thread in threads: thread.join(5)
    last = max((at for at, *_ in ends), default=killed + 99) - killed
    quiet = [f"{front} {how}" for _, front, how in ends if how != "ConnectionResetError"]
    what = f"server away {away} s, {'requests meanwhile' if asks else 'no requests'}"
    hold.check(f"{what}: streams end at once and loudly", len(ends) == 30 and last < 1 and not quiet,
               f"{len(ends)} of 30 ended within {last * 1000:.0f} ms, not as resets: {sorted(set(quiet))}")
    while time.monotonic() < killed + away:
        with contextlib.suppress(Refused, EOFError, OSError):
            if asks: fetch(front, ORIGIN)
        time.sleep(0.2)
    hold.server_end = hold.server(port)
    back, failures = time.monotonic(), []
    while time.monotonic() < back + 10:
        try:
            fetch(front, ORIGIN)
            break
        except (Refused, EOFError, OSError) as error:
            failures.append(repr(error))
            time.sleep(0.05)
    took = time.monotonic() - back
    hold.check(f"{what}: served after its return", took < 2 and (asks or not failures),
               f"{took:.2f} s, {len(failures)} failures before {failures[:1]}")


def begin(hold):
    hold.server_end = hold.server()
    hold.client_end = hold.client(hold.server_end)
    hold.ports = {"direct": hold.direct().port(), "jproxy": hold.client_end.port()}


hold = Hold(__doc__)
hold.run(begin, bulk, crowd, refusals, lost)
