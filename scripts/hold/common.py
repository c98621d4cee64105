# SPDX-License-Identifier: Apache-2.0
"""What every script here needs: checks, warren processes, loopback servers and clients, numbers from /proc."""

import argparse, contextlib, hashlib, multiprocessing, os, pathlib, re, shutil, signal, socket, struct, subprocess, sys
import tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIB = 1 << 20
HOST = "127.0.0.1"
threading.stack_size(512 << 10)
multiprocessing.set_start_method("fork")


class Hold:
    """One run of one script: its options, its folder, its processes and its verdict."""

    def __init__(self, about):
        parser = argparse.ArgumentParser(description=about)
        parser.add_argument("--warren", required=True, help="the program to be held to its promises")
        parser.add_argument("--quick", action="store_true", help="10 to 20 times less of everything")
        options = parser.parse_args()
        self.warren, self.quick = os.path.abspath(options.warren), options.quick
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hold-"))
        self.processes, self.failed, self.has_key = [], False, False
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `run` ends what it has started

    def scaled(self, full, quick=None):
        return full if not self.quick else quick if quick is not None else max(1, full // 20)

    def check(self, what, passed, numbers=""):
        self.failed |= not passed
        print(f"{'ok  ' if passed else 'FAIL'} {what}" + (f": {numbers}" if numbers != "" else ""), flush=True)
        return passed

    def run(self, *parts):
        """Runs the parts in order, ends what is left of the processes, exits with the verdict."""
        try:
            for part in parts:
                try:
                    part(self)
                except (Exception, KeyboardInterrupt) as error:
                    self.check(f"{part.__name__} runs to its end", False, f"{type(error).__name__}: {error}")
        finally:
            for process in self.processes:
                process.kill()
        if self.failed:
            print(f"logs and configurations are in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        sys.exit(1 if self.failed else 0)

    def start(self, name, config):
        process = Warren(self, name, config)
        self.processes.append(process)
        return process

    def key(self):
        if not self.has_key:
            subprocess.run([self.warren, "keygen", "jproxy", "alice", "--out", self.folder], check=True,
                           stdout=subprocess.DEVNULL)
            self.has_key = True
        return self.folder / "key.dat"

    def server(self, port=0, extra="", host=HOST, **keys):
        """`keys` are further ones of its entry, as `extension="on"`; so in `client`."""
        self.key()
        return self.start("server", f"""
inbounds:
  - {{ name: tunnel, type: jproxy, listen: "{host}:{port}", users: {self.folder}/users{more(keys)} }}
egress: {{ allow: [public, loopback] }}
{extra}""")

    def client(self, server, extra="", host=HOST, **keys):
        return self.start("client", f"""
inbounds:
  - {{ name: front, type: mixed, listen: "{HOST}:0", to: office }}
outbounds:
  - {{ name: office, type: jproxy, server: "{host}:{server.port('tunnel')}", key: {self.key()}{more(keys)} }}
{extra}""")

    def direct(self, target=None, extra=""):
        forward = f"- {{ name: fwd, type: forward, listen: \"{HOST}:0\", target: \"{HOST}:{target}\" }}" if target else ""
        return self.start("direct", f"""
inbounds:
  - {{ name: front, type: mixed, listen: "{HOST}:0" }}
  {forward}
egress: {{ allow: [public, loopback] }}
{extra}""")


def more(keys): return "".join(f", {key}: {value}" for key, value in keys.items())


class Warren:
    """A running `warren run`; ports given as 0 are read from its `ready` line."""

    def __init__(self, hold, name, config, ready=True):
        number = len(list(hold.folder.glob(f"{name}-*.yaml")))
        self.config, self.logfile = (hold.folder / f"{name}-{number}.{end}" for end in ("yaml", "log"))
        self.config.write_text(config)
        with open(self.logfile, "wb") as log:
            self.process = subprocess.Popen([hold.warren, "run", "-c", self.config], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.pid, self.bound = self.process.pid, {}
        if ready:
            line = wait(lambda: self.process.poll() is not None or re.search(r"^ready ?(.*)$", self.log(), re.M), 20)
            if not isinstance(line, re.Match):
                raise RuntimeError(f"{name} is not ready: {self.log()[-300:]!r}")
            self.bound = dict(word.split("=") for word in line[1].split() if "=" in word)

    def port(self, name="front"): return int(self.bound[name].rpartition(":")[2])
    def log(self): return self.logfile.read_text(errors="replace")
    def alive(self): return self.process.poll() is None
    def descriptors(self): return len(os.listdir(f"/proc/{self.pid}/fd"))
    def threads(self): return len(os.listdir(f"/proc/{self.pid}/task"))
    def rss(self): return self._status("VmRSS")
    def peak(self): return self._status("VmHWM")
    def reset_peak(self): pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu(self):
        """Seconds of processor time that it has used so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, field):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", status, re.M)[1]) / 1024

    def signal(self, number): self.process.send_signal(number)

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()

    def ended(self, seconds):
        """The exit code, or None if it is still running after so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)


def wait(condition, seconds, pause=0.02):
    """Polls until the condition gives something true; what it gave last."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(pause)
    return value


def settled(hold, what, processes, before, seconds=8):
    """No descriptor is left that was not there before."""
    now = lambda: [p.descriptors() for p in processes]
    wait(lambda: all(n <= b for n, b in zip(now(), before)), seconds, 0.1)
    hold.check(what, all(n <= b for n, b in zip(now(), before)), f"descriptors {before} before, {now()} after")


def parallel(count, workers, body):
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(body, range(count)))


# Servers

def serve(answer, backlog=4096, host=HOST):
    """A loopback server, one thread per connection; its port. `answer` gets the socket, which is closed after it."""
    listener = socket.create_server((host, 0), backlog=backlog)

    def one(connection):
        with connection, contextlib.suppress(OSError, EOFError):
            answer(connection)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def serve_apart(answer, **options):
    """The same in a process of its own: a busy server takes no time from the clients here. Before any thread starts."""
    told, parent = multiprocessing.SimpleQueue(), os.getpid()

    def work():
        told.put(serve(answer, **options))
        while os.getppid() == parent: time.sleep(1)

    multiprocessing.Process(target=work, daemon=True).start()
    return told.get()


def closed_port():
    """A port on which nobody listens and nobody will, and the socket that keeps it."""
    keeper = socket.socket()
    keeper.bind((HOST, 0))
    return keeper.getsockname()[1], keeper


def content(seed, size):
    """Bytes that only this seed gives; for small sizes."""
    return hashlib.shake_128(f"hold {seed}".encode()).digest(size)


def big(hold, size):
    """A file of so many whole MiB that an origin gives as `big`, and its SHA-256."""
    file, digest = hold.folder / "big", hashlib.sha256()
    with open(file, "wb") as out:
        for number in range(size // MIB):
            digest.update(piece := content(number, MIB))
            out.write(piece)
    Origin.big["big"] = file
    return file, digest.hexdigest()


ENDLESS = content("endless", MIB) * 2  # twice, so that a piece from anywhere in the first half is whole


def pour(connection, size=None):
    """Sends so many known bytes, or such bytes for ever."""
    view, sent = memoryview(ENDLESS), 0
    while size is None or sent < size:
        start, most = sent % MIB, (1 << 18) if size is None else min(1 << 18, size - sent)
        sent += connection.send(view[start:start + most])


def drink(connection, size=None, count=lambda _: None):
    """Takes so many of these bytes, or all until the end, and tells `count` of each piece; how many. Others are an error."""
    got = 0
    while size is None or got < size:
        piece = connection.recv((1 << 18) if size is None else min(1 << 18, size - got))
        if not piece:
            if size is None: break
            raise EOFError(f"{got} of {size} bytes")
        start = got % MIB
        if piece != ENDLESS[start:start + len(piece)]: raise ValueError(f"foreign bytes after {got}")
        got += len(piece)
        count(len(piece))
    return got


class Origin(BaseHTTPRequestHandler):
    """GET /SEED/SIZE gives that content, GET /slow/SIZE/RATE so many bytes at so many a second, PUT their SHA-256.

    GET /NAME/SIZE/OFFSET is a part of one of the files in `big`.
    """
    protocol_version = "HTTP/1.1"
    big = {}

    @classmethod
    def start(cls):
        server = type("Server", (ThreadingHTTPServer,), {"request_queue_size": 1024, "daemon_threads": True})((HOST, 0), cls)
        server.handle_error = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def do_GET(self):
        kind, size, *rate = self.path.strip("/").split("/")
        size = int(size)
        self.send_response(200)
        self.send_header("Content-Length", size)
        self.end_headers()
        self.wfile.flush()
        if kind in self.big:
            with open(self.big[kind], "rb") as file:
                self.connection.sendfile(file, int(rate[0]) if rate else 0, size)
        elif kind == "slow":
            for start in range(0, size, step := max(1, int(rate[0]) // 20)):
                self.wfile.write(bytes(min(step, size - start)))
                time.sleep(0.05)
        else:
            self.wfile.write(content(kind, size))

    def do_PUT(self):
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read(min(left, MIB))):
            digest.update(piece)
            left -= len(piece)
        body = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): pass


# Clients

class Refused(Exception):
    """A SOCKS reply other than success."""


def receive(connection, count):
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError(f"{len(data)} of {count} bytes")
        data += piece
    return bytes(data)


def receive_all(connection):
    data = bytearray()
    while piece := connection.recv(1 << 18):
        data += piece
    return bytes(data)


def dial(port, seconds=30, source=None, buffer=None):
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(seconds)
    if source:
        connection.bind((source, 0))
    connection.connect((HOST, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def socks5(port, target, seconds=30, **options):
    """A connection to a loopback port through a SOCKS5 front."""
    connection = dial(port, seconds, **options)
    try:
        connection.sendall(b"\5\1\0\5\1\0\1" + socket.inet_aton(HOST) + struct.pack(">H", target))
        if receive(connection, 2) != b"\5\0":
            raise Refused("method")
        reply = receive(connection, 4)
        receive(connection, {1: 6, 4: 18}[reply[3]])
        if reply[1]:
            raise Refused(reply[1])
        return connection
    except BaseException:
        connection.close()
        raise


def connect(port, target, seconds=30):
    """The same through CONNECT of HTTP."""
    connection = dial(port, seconds)
    try:
        connection.sendall(f"CONNECT {HOST}:{target} HTTP/1.1\r\nHost: {HOST}:{target}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"): head += receive(connection, 1)
        if b" 200 " not in head.split(b"\r\n")[0]: raise Refused(int(head.split()[1]))
        return connection
    except BaseException:
        connection.close()
        raise


def abort(connection):
    """Closes with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def fetch(port, origin, path="/x/1000", seconds=5):
    """A GET through SOCKS5; the time it took. Raises if anything is wrong with the answer."""
    start = time.monotonic()
    with socks5(port, origin, seconds) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n\r\n".encode())
        body = receive_all(connection).partition(b"\r\n\r\n")[2]
    seed, size = path.strip("/").split("/")
    if body != content(seed, int(size)):
        raise ValueError(f"{len(body)} wrong bytes")
    return time.monotonic() - start
