#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How Warren ends, and how it refuses to begin: drain, second signal, exit codes and sentences."""

from common import *

ORIGIN = Origin.start()


def is_open(port):
    with contextlib.suppress(OSError):
        dial(port, 2).close()
        return True
    return False


class Transfer(threading.Thread):
    """A slow download of so many seconds; `how` it ended, `at` what time, and how many bytes came."""
    def __init__(self, port, seconds):
        super().__init__(daemon=True)
        self.size, self.how, self.got, self.at = int(seconds * 100_000), None, 0, 0
        self.connection = socks5(port, ORIGIN, 60)
        self.connection.sendall(f"GET /slow/{self.size}/100000 HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"): head += receive(self.connection, 1)
        self.start()

    def run(self):
        try:
            while piece := self.connection.recv(1 << 16): self.got += len(piece)
            self.how = "whole" if self.got == self.size else "clean end too early"
        except OSError as error:
            self.how = type(error).__name__
        self.at = time.monotonic()
        self.connection.close()


def ends(hold, what, make, drain, seconds, second=None):
    """SIGTERM under a transfer of so many seconds; `second` is when the second signal comes."""
    process, front = make(f"drain: {drain}s")
    ports, transfer = [int(bound.rpartition(":")[2]) for bound in process.bound.values()], Transfer(front, seconds)
    time.sleep(0.3)
    start = time.monotonic()
    process.signal(signal.SIGTERM)
    closed = wait(lambda: not any(is_open(port) for port in ports), 1) and time.monotonic() - start
    hold.check(f"{what}: listeners close at once", closed is not False and closed < 0.5, f"{(closed or 99) * 1000:.0f} ms")
    if second is not None:
        time.sleep(second)
        start = time.monotonic()
        process.signal(signal.SIGTERM)
    code = process.ended(drain + seconds + 5)
    took = time.monotonic() - start
    transfer.join(2)
    numbers = f"exit code {code} after {took:.2f} s, transfer {transfer.how}, {transfer.got} of {transfer.size} bytes"
    if second is not None:
        hold.check(f"{what}: ends at once", code is not None and took < 0.5, numbers)
        hold.check(f"{what}: the transfer is cut off loudly", transfer.how == "ConnectionResetError", transfer.how)
    elif seconds < drain:
        hold.check(f"{what}: the transfer may finish", transfer.how == "whole" and code == 0, numbers)
        hold.check(f"{what}: ends soon after it", process.ended(0) is not None and took < seconds + 1, f"{took:.2f} s")
    else:
        hold.check(f"{what}: ends when the time is up", code == 0 and drain - 0.2 < took < drain + 1.5, numbers)
        hold.check(f"{what}: the transfer is cut off loudly", transfer.how == "ConnectionResetError", transfer.how)
    hold.check(f"{what}: nothing listens any more", not any(is_open(port) for port in ports))


def signals(hold):
    def direct(extra):
        process = hold.direct(extra=extra)
        return process, process.port()

    def client(extra):
        process = hold.client(hold.server(), extra)
        return process, process.port()

    def server(extra):
        process = hold.server(extra=extra)
        return process, hold.client(process).port()

    for name, make in (("direct", direct), ("jproxy client", client), ("jproxy server", server)):
        ends(hold, f"{name}, short transfer", make, 10, 2)
        ends(hold, f"{name}, long transfer", make, 2, 8)
        ends(hold, f"{name}, second signal", make, 20, 8, second=0.5)
    idle = hold.client(hold.server())
    start = time.monotonic()
    idle.signal(signal.SIGINT)
    hold.check("idle: SIGINT ends it at once", idle.ended(5) == 0, f"{time.monotonic() - start:.2f} s")


def refuses(hold, what, config, code, *words, command="run"):
    """Warren must end with the code and say the words, in one line unless `words` is several places."""
    file = hold.folder / "refused.yaml"
    file.write_text(config)
    done = subprocess.run([hold.warren, command, "-c", file], capture_output=True, text=True, timeout=10)
    text = (done.stderr + done.stdout).strip()
    good = done.returncode == code and all(word in text for word in words)
    good &= not any(word in text for word in ("Fatal", "Swift.", "NIO", "Error Domain"))
    lines = [line for line in text.splitlines() if " warning " not in line]
    hold.check(f"{command}: {what}", good and len(lines) <= 3, f"exit {done.returncode}, said {text!r}")


def start(hold):
    keeper = socket.create_server((HOST, 0))
    port = keeper.getsockname()[1]
    front = lambda port, more="": f"inbounds:\n  - {{ name: f, type: mixed, listen: \"{HOST}:{port}\"{more} }}\n"
    both = f"inbounds:\n  - {{ name: a, type: mixed, listen: \"{HOST}:0\" }}\n  - {{ name: b, type: mixed, listen: \"{HOST}:{port}\" }}\n"
    refuses(hold, "port in use", front(port), 2, str(port), "in use")
    refuses(hold, "second port in use", both, 2, f"b: cannot listen on {HOST}:{port}")
    refuses(hold, "not an address of ours", front(1).replace(HOST, "203.0.113.7"), 2, "203.0.113.7")
    for command in ("run", "check"):
        wrong = lambda what, config, *words: refuses(hold, what, config, 1, *words, command=command)
        wrong("unknown key", front(0, ", lisen: x"), "refused.yaml:2:", "lisen")
        wrong("unknown outbound", front(0, ", to: nowhere"), "refused.yaml:2:", "nowhere")
        wrong("wrong type", "drain: soon\n" + front(0), "refused.yaml:1:8", "soon")
        wrong("two of one name", front(0) + front(0).split("\n")[1] + "\n", "refused.yaml:3:", "f")
        wrong("not YAML", "inbounds: [\n", "refused.yaml:")
        wrong("an empty file", "", "refused.yaml")
        key = hold.key()
        jproxy = lambda file: front(0, ", to: o") + f"outbounds:\n  - {{ name: o, type: jproxy, server: \"{HOST}:1\", key: {file} }}\n"
        users = lambda folder: f"inbounds:\n  - {{ name: t, type: jproxy, listen: \"{HOST}:0\", users: {folder} }}\n"
        for what, content in (("empty", b""), ("cut", key.read_bytes()[:700]), ("flipped", bytes(b ^ 255 for b in key.read_bytes())),
                              ("longer", key.read_bytes() + b"x"), ("huge", bytes(3_000_000))):
            (bad := hold.folder / "bad.dat").write_bytes(content)
            bad.chmod(0o600)
            wrong(f"key: {what}", jproxy(bad), "refused.yaml:4:", "bad.dat")
        wrong("key: missing", jproxy(hold.folder / "none.dat"), "refused.yaml:4:", "none.dat")
        wrong("key: a folder", jproxy(hold.folder), "refused.yaml:4:")
        wrong("users: missing", users(hold.folder / "nobody"), "refused.yaml:2:", "nobody")
        wrong("users: a file", users(key), "refused.yaml:2:")
        good = next((hold.folder / "users").iterdir())
        (broken := hold.folder / "broken").mkdir(exist_ok=True)
        for what, content in (("cut", good.read_bytes()[:300]), ("flipped", bytes(b ^ 255 for b in good.read_bytes())), ("empty", b"")):
            (broken / good.name).write_bytes(content)
            wrong(f"users: {what}", users(broken), "refused.yaml:2:", good.name[:8])
        (broken / good.name).unlink()
        (broken / ("0" * 64 + ".dat")).write_bytes(good.read_bytes())
        wrong("users: another name", users(broken), "refused.yaml:2:", "0" * 8)
        (broken / ("0" * 64 + ".dat")).unlink()
    (hold.folder / "empty").mkdir()
    refuses(hold, "users: an empty folder is said", users(hold.folder / "empty"), 0, "refused.yaml:2:", "no users", command="check")
    missing = subprocess.run([hold.warren, "run", "-c", hold.folder / "no.yaml"], capture_output=True, text=True, timeout=10)
    hold.check("no such file", missing.returncode == 1 and "no.yaml" in missing.stderr, f"exit {missing.returncode}, {missing.stderr.strip()!r}")
    keeper.close()


hold = Hold(__doc__)
hold.run(start, signals)
