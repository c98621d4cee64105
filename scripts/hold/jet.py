#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two peers that meet at a JET relay: their bytes, thousands idle or waiting, strangers, and a relay that dies."""

import getpass, json, random, resource, statistics
from common import *

PORT_OF_NOBODY = 9  # a forward front names a target; whom it reaches is up to the relay


# Relay, accepter, connecter

def raise_limits(hold):
    """The pairs below need two descriptors each, here and in the relay, which inherits the limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hold.pairs = hold.scaled(9_000, 1_000)
    if hard != resource.RLIM_INFINITY and hard < 2 * hold.pairs + 500:
        hold.pairs = (hard - 500) // 2
        print(f"note: the limit of {hard} open files allows {hold.pairs} pairs only")


def relay(hold, port=0, **keys):
    return hold.start("relay", f"""
limits: {{ sessions: 100000, handshake: 10s }}
relays: [ {{ name: meet, type: jet, listen: ["{HOST}:{port}"], maxPending: 20000{more(keys)} }} ]""")


class Ends:
    """A Warren that accepts for a target, again and again unless told otherwise, and one that connects to it."""

    def __init__(self, hold, port, target, again=True):
        self.file, self.used = hold.folder / f"announced-{target}", None
        self.accepter = Warren(hold, "accepter", f"""
inbounds:
  - name: door
    type: jet
    relay: "{HOST}:{port}"
    target: "{HOST}:{target}"
    repeat: {str(again).lower()}
    announce: "{self.file}"
egress: {{ allow: [public, loopback] }}""", ready=False)  # it listens nowhere: it is ready once it has an association
        hold.processes.append(self.accepter)
        self.connecter = hold.start("connecter", f"""
inbounds:
  - {{ name: front, type: forward, listen: "{HOST}:0", target: "{HOST}:{PORT_OF_NOBODY}", to: office }}
outbounds:
  - {{ name: office, type: jet, relay: "{HOST}:{port}", associationFile: "{self.file}" }}""")

    def association(self):
        with contextlib.suppress(OSError, IndexError): return self.file.read_text().split()[0]

    def registered(self, seconds=20):
        """Waits for an association that no one has used; it counts as used from here on."""
        fresh = wait(lambda: (now := self.association()) != self.used and now, seconds, 0.002)
        if not fresh: raise EOFError(f"no new association within {seconds} s")
        self.used = fresh

    def port(self):
        """The front, once somebody waits behind the relay."""
        self.registered()
        return self.connecter.port()

    def processes(self): return [self.accepter, self.connecter]

    def kill(self):
        for process in self.processes(): process.kill()


def load(hold, port, *words, held=False):
    """Runs the load tool; what it prints, and the process if it holds the pairs until told."""
    tool = hold.folder / "jetload"
    if not tool.exists():
        source = pathlib.Path(__file__).parent / "jetload.c"
        subprocess.run(["cc", "-O2", "-pthread", "-o", tool, source], check=True)
    command = [tool, "--relay", str(port), *map(str, words)]
    if held:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        hold.processes.append(process)
        return process, said(process.stdout.readline())
    return said(subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True).stdout)


def said(text):
    answer = json.loads(text.strip().splitlines()[-1]) if text.strip() else {"error": "it said nothing"}
    if "error" in answer: raise RuntimeError(f"jetload: {answer['error']}")
    return answer


# The protocol, as far as raw peers need it

def packet(*lines, mask=0x73):
    text = "\r\n".join([*lines, "", ""]).encode()
    return b"JET\0" + struct.pack(">HBB", len(text) + 8, 0, mask) + bytes(byte ^ mask for byte in text)


ACCEPT = packet("GET / HTTP/1.1", "Host: hold", "Connection: Keep-Alive", "Jet-Method: Accept", "Jet-Version: 1")


def to_connect(association):
    return packet("GET / HTTP/1.1", "Host: hold", "Connection: Keep-Alive", "Jet-Method: Connect",
                  f"Jet-Association: {association}", "Jet-Version: 1")


def ask(port, request):
    """A connection on which the request was sent, with all that is in it, at once; and the headers of the reply."""
    connection = dial(port)
    connection.sendall(request)
    signature, size, flags, mask = struct.unpack(">4sHBB", receive(connection, 8))
    text = bytes(byte ^ mask for byte in receive(connection, size - 8)).decode()
    if signature != b"JET\0" or flags or not text.startswith("HTTP/1.1 200 "): raise Refused(text)
    return connection, dict(line.split(": ", 1) for line in text.split("\r\n")[1:-2])


def raw_pair(port, early_back=b"", early_front=b""):
    back, headers = ask(port, ACCEPT + early_back)
    front, _ = ask(port, to_connect(headers["Jet-Association"]) + early_front)
    return front, back


# Bytes

def send_counted(connection, size, seed):
    """Sends blocks that are all different, then the end; the SHA-256 of what was sent."""
    digest, block = hashlib.sha256(), bytearray(content(seed, MIB))
    for start in range(0, size, MIB):
        block[:8] = struct.pack(">Q", start)
        piece = memoryview(block)[:min(MIB, size - start)]
        digest.update(piece)
        connection.sendall(piece)
    connection.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def take_all(connection):
    """The SHA-256 of what comes until the end, and its length."""
    digest, count = hashlib.sha256(), 0
    while piece := connection.recv(MIB):
        digest.update(piece)
        count += len(piece)
    return digest.hexdigest(), count


def both_ways(connection, size, seed, first):
    """Sends and takes so much, in one order or at the same time (`first` None)."""
    if first is None:
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_counted, connection, size, seed)
            return take_all(connection), sending.result()
    sent = send_counted(connection, size, seed) if first else None
    taken = take_all(connection)
    return taken, sent or send_counted(connection, size, seed)


def transfer(hold):
    place, size = relay(hold), hold.scaled(2 << 30, 100 << 20)
    orders = {"the client speaks first": True, "the server speaks first": False, "both at once": None}
    for what, client_first in orders.items():
        server_first = None if client_first is None else not client_first
        told = multiprocessing.SimpleQueue()
        target = serve(lambda connection: told.put(both_ways(connection, size, f"server {what}", server_first)))
        ends = Ends(hold, place.port("meet"), target, again=False)
        start = time.monotonic()
        with dial(ends.port(), 120) as connection:
            at_client, by_client = both_ways(connection, size, f"client {what}", client_first)
        at_server, by_server = told.get()
        seconds = time.monotonic() - start
        equal = at_server == (by_client, size) and at_client == (by_server, size)
        hold.check(f"{size >> 20} MiB each way, {what}", equal, f"{2 * size / seconds / 1e6:.0f} MB/s, there "
                   f"{at_server[1]} bytes, back {at_client[1]}, SHA-256 {'equal' if equal else 'differ'}")
        ends.kill()
    place.kill()


def early(hold):
    """What is sent in one segment with the packet, or before there is a partner, belongs to the partner."""
    place, count, wrong = relay(hold), hold.scaled(1_000), []
    for number in range(count):
        chance = random.Random(number)
        size = lambda: chance.choice((0, 1, 7, 500, 1016, 1400, 8000, 40_000))
        to_front, to_back, more_to_front, more_to_back = (chance.randbytes(size()) for _ in range(4))
        back, headers = ask(place.port("meet"), ACCEPT + to_front)
        back.sendall(more_to_front)
        front, _ = ask(place.port("meet"), to_connect(headers["Jet-Association"]) + to_back)
        front.sendall(more_to_back)
        with front, back:
            front.shutdown(socket.SHUT_WR)
            at_back = receive_all(back)
            back.shutdown(socket.SHUT_WR)
            at_front = receive_all(front)
        if at_back != to_back + more_to_back: wrong.append(f"{number}: accepter {len(at_back)} bytes")
        if at_front != to_front + more_to_front: wrong.append(f"{number}: connecter {len(at_front)} bytes")
        if number == 0: before = settled_count(place)
    hold.check(f"early bytes of both sides, {count} pairs", not wrong, f"wrong: {len(wrong)} {wrong[:3]}")
    settled(hold, "early bytes: nothing left open", [place], before)
    front, back = raw_pair(place.port("meet"), b"there", b"back")
    with front, back:
        both = receive(back, 4) == b"back" and receive(front, 5) == b"there"
        hold.check("early bytes in the packet's own segment arrive on both sides while both stay open", both)
    place.kill()


def settled_count(process):
    """Its descriptors once the last session is gone."""
    last = []
    wait(lambda: last.append(process.descriptors()) or len(last) > 10 and len(set(last[-10:])) == 1, 5, 0.02)
    return [last[-1]]


def banners(hold):
    """Partners that speak first, to connecters that take the reply with one read, as deployed ones do."""
    place, count = relay(hold), hold.scaled(1000, 200)
    port = place.port("meet")

    def one(number):
        words = f"SSH-2.0-banner {number}\r\n".encode()
        back, reply = ask(port, ACCEPT)
        with back, dial(port, 10) as front:
            back.sendall(words)
            front.sendall(to_connect(reply["Jet-Association"]))
            front.recv(1024)
            front.settimeout(1)
            try:
                return receive(front, len(words)) == words
            except (OSError, EOFError):
                return False
    whole = sum(parallel(count, 4, one))
    hold.check(f"{count} banners behind replies", whole == count, f"{whole} arrive")
    place.kill()


def half_close(hold):
    place, wrong = relay(hold), []
    for number in range(count := hold.scaled(1_000)):
        front, back = raw_pair(place.port("meet"))
        one, other = (front, back) if number % 2 else (back, front)
        with front, back:
            question, answer = content(number, 1 + number % 5000), content(-number, 100_000)
            one.sendall(question)
            one.shutdown(socket.SHUT_WR)
            if receive_all(other) != question: wrong.append(f"{number}: there")
            other.sendall(answer)
            other.shutdown(socket.SHUT_WR)
            if receive_all(one) != answer: wrong.append(f"{number}: back")
    hold.check(f"half-close, {count} raw pairs, either side first", not wrong, f"wrong: {len(wrong)} {wrong[:3]}")

    def echo_at_end(connection):
        connection.sendall(receive_all(connection))

    ends, wrong = Ends(hold, place.port("meet"), serve(echo_at_end)), []
    for number in range(count := hold.scaled(400)):
        with dial(ends.port(), 30) as connection:
            body = content(number, 1 + (number * 997) % 150_000)
            connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
            if receive_all(connection) != body: wrong.append(number)
        if number == 0: before = [settled_count(p)[0] for p in [place, *ends.processes()]]
    hold.check(f"half-close, {count} sessions through two Warrens", not wrong, f"wrong: {len(wrong)} {wrong[:3]}")
    settled(hold, "half-close: nothing left open", [place, *ends.processes()], before)
    ends.kill(), place.kill()


def talkative(hold):
    """A target that says much before anybody came is no sign of a partner: one waits, and no more."""
    met = []

    def talk(connection):
        met.append(connection)
        connection.sendall(content("talk", 256 << 10))
        connection.recv(1)

    place = relay(hold)
    ends = Ends(hold, place.port("meet"), serve(talk))
    ends.registered()
    time.sleep(3)
    announced = ends.accepter.log().count(" reachable ")
    hold.check("a target that speaks first is met once while there is no partner", len(met) == 1 and announced == 1,
               f"{announced} associations and {len(met)} connections to the target within 3 s")
    with dial(ends.connecter.port(), 20) as connection:
        hold.check("and its words wait for the partner", receive(connection, 256 << 10) == content("talk", 256 << 10))
    ends.kill(), place.kill()


# Programs that users run over it

def have(what, *programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing: print(f"skip {what}: {', '.join(missing)} not found")
    return not missing


def start_program(hold, name, command):
    log = open(hold.folder / f"{name}.log", "wb")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    hold.processes.append(process)
    return process


def free_port():
    with socket.create_server((HOST, 0)) as listener: return listener.getsockname()[1]


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1): return True


def shell(hold):
    """A session of ssh, and a clone by git over it."""
    os.environ["PATH"] += ":/usr/sbin"
    if not have("ssh", "sshd", "ssh", "ssh-keygen"): return
    folder, port = hold.folder / "ssh", free_port()
    folder.mkdir(0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "config").write_text(f"Port {port}\nListenAddress {HOST}\nHostKey {folder}/host\nPidFile {folder}/pid\n"
                                   f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPermitRootLogin yes\n"
                                   "PasswordAuthentication no\nUsePAM no\n")
    if os.getuid() == 0: os.makedirs("/run/sshd", exist_ok=True)  # sshd wants it there
    start_program(hold, "sshd", [shutil.which("sshd"), "-D", "-e", "-f", folder / "config"])
    wait(lambda: answers(port), 10)
    place = relay(hold)
    ends, user = Ends(hold, place.port("meet"), port), getpass.getuser()
    options = ["-F", "none", "-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
               "-o", f"UserKnownHostsFile={folder}/known", "-o", "LogLevel=ERROR"]
    body = content("ssh", hold.scaled(64 * MIB, 8 * MIB))
    command = ["ssh", *options, "-p", str(ends.port()), f"{user}@{HOST}", "cat; exit 7"]
    run = subprocess.run(command, input=body, stdout=subprocess.PIPE, timeout=120)
    hold.check("ssh: what a command says, and its status", run.stdout == body and run.returncode == 7,
               f"{len(run.stdout)} of {len(body)} bytes back, status {run.returncode}")
    if have("git clone", "git"): clone(hold, ends, " ".join(["ssh", *options]), user)
    ends.kill(), place.kill()


def clone(hold, ends, ssh, user):
    origin, copy = hold.folder / "origin", hold.folder / "copy"
    environment = {**os.environ, "GIT_SSH_COMMAND": ssh, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    git = lambda *words: subprocess.run(["git", *map(str, words)], env=environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, timeout=120)
    git("init", "-q", origin)
    for number in range(200): (origin / f"file-{number}").write_bytes(content(f"git {number}", 1 + number * 300))
    (origin / "large").write_bytes(content("git", hold.scaled(40 * MIB, 4 * MIB)))
    git("-C", origin, "add", ".")
    git("-C", origin, "-c", "user.name=hold", "-c", "user.email=hold@invalid", "commit", "-q", "-m", "everything")
    run = git("clone", "-q", f"ssh://{user}@{HOST}:{ends.port()}{origin}", copy)
    heads = [git("-C", folder, "rev-parse", "HEAD").stdout.strip() for folder in (origin, copy)]
    whole = run.returncode == 0 and git("-C", copy, "fsck", "--full").returncode == 0
    same = whole and (copy / "large").read_bytes() == content("git", hold.scaled(40 * MIB, 4 * MIB))
    hold.check("git clone over it", same and heads[0] == heads[1], f"{heads[1][:12]}, {run.stdout.strip()[-200:]}")


def screen(hold):
    """The handshake of RFB 3.8, in which the server speaks first, and one picture."""
    program = next(filter(None, map(shutil.which, ("Xvnc", "Xtigervnc"))), None)
    if program:
        port = free_port()
        display = next(n for n in range(90, 200) if not os.path.exists(f"/tmp/.X11-unix/X{n}"))
        words = f":{display} -rfbport {port} -SecurityTypes None -localhost -geometry 640x480 -depth 24 -nolisten tcp"
        start_program(hold, "xvnc", [program, *words.split()])
        wait(lambda: answers(port), 10)
    else:
        port = serve(scripted_screen)
    place = relay(hold)
    ends = Ends(hold, place.port("meet"), port)
    with dial(ends.port(), 20) as connection: said = look(connection)
    hold.check(f"RFB 3.8 with {os.path.basename(program) if program else 'a scripted server (no Xvnc found)'}",
               said[1] == (640, 480) and said[2] == 640 * 480 * 4, f"{said[0]}, {said[1]}, {said[2]} bytes of picture")
    ends.kill(), place.kill()


def look(connection):
    greeting = receive(connection, 12)
    connection.sendall(b"RFB 003.008\n")
    kinds = receive(connection, receive(connection, 1)[0])
    if 1 not in kinds: raise Refused(f"security {kinds!r}")
    connection.sendall(b"\1")
    if receive(connection, 4) != bytes(4): raise Refused("security")
    connection.sendall(b"\1")
    width, height = struct.unpack(">HH", receive(connection, 4))
    receive(connection, 16)
    name = receive(connection, *struct.unpack(">I", receive(connection, 4)))
    connection.sendall(struct.pack(">BxHi", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    picture = 0
    while picture < width * height * 4:
        kind, rectangles = struct.unpack(">BxH", receive(connection, 4))
        if kind: raise Refused(f"message {kind}")
        for _ in range(rectangles):
            _, _, wide, high, encoding = struct.unpack(">HHHHi", receive(connection, 12))
            if encoding: raise Refused(f"encoding {encoding}")
            picture += len(receive(connection, wide * high * 4))
    return f"{greeting.decode().strip()} {name.decode()!r}", (width, height), picture


def scripted_screen(connection):
    connection.sendall(b"RFB 003.008\n")
    if receive(connection, 12) != b"RFB 003.008\n": raise EOFError
    connection.sendall(b"\1\1")
    receive(connection, 1)
    connection.sendall(bytes(4))
    receive(connection, 1)
    connection.sendall(struct.pack(">HH16sI", 640, 480, bytes(16), 4) + b"hold")
    receive(connection, 8 + 10)
    connection.sendall(struct.pack(">BxHHHHHi", 0, 1, 0, 0, 640, 480, 0) + content("screen", 640 * 480 * 4))
    connection.recv(1)


# Many

def idle(hold):
    place = relay(hold)
    tool, _ = load(hold, place.port("meet"), "pairs", 100, "--hold", held=True)  # what comes to be once
    tool.communicate()
    files = settled_count(place)
    rss = place.rss()
    tool, ready = load(hold, place.port("meet"), "pairs", hold.pairs, "--hold", held=True)
    time.sleep(1)
    grown = (place.rss() - rss) * 1024
    hold.check(f"{hold.pairs} idle pairs take 8 KiB each at most", grown / hold.pairs <= 8,
               f"{grown / hold.pairs:.2f} KiB a pair, {grown / 2 / hold.pairs:.2f} a connection; {rss:.1f} MiB before, "
               f"{place.rss():.1f} with them; made in {ready['seconds']} s")
    hold.check("each of them carries bytes both ways afterwards", said(tool.communicate()[0])["broken"] == 0)
    settled(hold, "idle pairs: nothing left open", [place], files, 20)
    place.kill()


def waiting(hold):
    count = hold.scaled(5_000, 500)
    place = relay(hold, timeout="5s", maxPendingPerAddress=20000)
    load(hold, place.port("meet"), "pending", count, "--wait", 12)
    files, rss = settled_count(place), place.rss()
    place.reset_peak()
    got = load(hold, place.port("meet"), "pending", count, "--wait", 12)
    numbers = f"{got['closed']} of {count} closed after {got['min']} to {got['max']} s, {got['median']} in the middle"
    in_silence = got["closed"] == count and not got["spoke"] and not got["resets"]
    hold.check(f"{count} who wait are let go of after 5 s", in_silence and 4.9 < got["min"] and got["max"] < 6, numbers)
    settled(hold, "waiting: descriptors back", [place], files)
    hold.check("waiting: memory back", place.rss() - rss < 4, f"MiB {rss:.1f} after the first {count}, "
               f"{place.rss():.1f} after the second, {place.peak():.1f} at most")
    place.kill()


def storm(hold):
    place, quiet, loud = relay(hold), [], []
    seconds = hold.scaled(8, 2)
    for _ in range(3):
        quiet.append(load(hold, place.port("meet"), "storm", 0, seconds, "--pairs", 16))
        loud.append(load(hold, place.port("meet"), "storm", 2_000, seconds, "--pairs", 16))
    middle = lambda runs, key: statistics.median(run[key] for run in runs)
    wrong = sum(run["wrong"] + run["late"] + run["failed"] + run["dead"] for run in quiet + loud)
    hold.check("2,000 connects a second to nobody: each gets 404 and the end", not wrong and all(
        run["begun"] >= 1_900 * seconds for run in loud), f"{sum(run['right'] for run in loud)} right, {wrong} wrong")
    calm, rough = middle(quiet, "p99us"), middle(loud, "p99us")
    hold.check("meanwhile others' p99 stays below twice the quiet one", rough < 2 * calm,
               f"{rough:.0f} µs, {calm:.0f} quiet ({rough / calm:.2f}); p50 {middle(loud, 'p50us'):.0f}, "
               f"{middle(quiet, 'p50us'):.0f} quiet; rr/s {middle(loud, 'rps'):.0f}, {middle(quiet, 'rps'):.0f} quiet")
    place.kill()


def mutated(hold):
    place, count = relay(hold), hold.scaled(1_000_000, 50_000)
    front, back = raw_pair(place.port("meet"))
    load(hold, place.port("meet"), "mutate", count // 5, "--parallel", 64, "--seed", 1)
    files, rss = settled_count(place), place.rss()
    place.reset_peak()
    got = load(hold, place.port("meet"), "mutate", count, "--parallel", 64, "--seed", 2)
    hold.check(f"{count} mutated packets", not got["errors"], f"{got['seconds']} s, {got['known']} of known answer, "
               f"{got['closed']} closed, {got['http']} refused as HTTP, statuses {got['statuses']} {got['examples']}")
    hold.check("mutated: alive", place.alive())
    settled(hold, "mutated: descriptors back", [place], files, 20)
    hold.check("mutated: memory back", place.rss() - rss < 8, f"MiB {rss:.1f} before, {place.rss():.1f} after, "
               f"{place.peak():.1f} at most")
    with front, back:
        front.sendall(b"still")
        back.sendall(b"here")
        same = receive(back, 5) == b"still" and receive(front, 4) == b"here"
        hold.check("mutated: a pair from before still carries bytes", same)
    place.kill()


# A relay that dies

def revival(hold):
    place = relay(hold)
    port = place.port("meet")
    ends = Ends(hold, port, serve(lambda connection: connection.sendall(receive(connection, 5))))
    for away in (0, 1, hold.scaled(20, 6)):
        with dial(ends.port(), 10) as connection:
            connection.sendall(b"hello")
            hold.check(f"before the relay is away for {away} s", receive(connection, 5) == b"hello")
        ends.registered()  # the next one, which the relay forgets
        place.kill()
        time.sleep(away)
        place = relay(hold, port)
        back = time.monotonic()
        ends.registered(60)
        took = time.monotonic() - back
        hold.check(f"away for {away} s: the accepter is back within 2 s", took < 2, f"{took:.2f} s")
        ends.used = None
    with dial(ends.port(), 10) as connection:
        connection.sendall(b"again")
        hold.check("and can be reached", receive(connection, 5) == b"again")
    ends.kill(), place.kill()


hold = Hold(__doc__)
raise_limits(hold)
hold.run(transfer, early, banners, half_close, talkative, shell, screen, idle, waiting, storm, mutated, revival)
