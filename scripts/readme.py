#!/usr/bin/env python3
"""Runs what README.md and docs/*.md show, and compares what they say comes out of it.

    scripts/readme.py [--warren PATH] [FILE ...]

Every section (##) has a new folder and processes of its own, in a network of its own where the system allows one, on
loopback. What a block is, its first word says:

    ```console    lines with "$ " are commands, one after the other; what follows them is all that they print. A command that
                  ends in "&" goes on, and the next one waits until it has said something ("ready", for `warren run`). A
                  `warren run` without "&" is ended as soon as it is ready.
    ```yaml       what follows a line "# NAME.yaml" is that file. Others are parts of one, and are not run.
    ```log        what follows a line "# NAME.yaml" are lines that the `warren run` with this file has written, or writes
                  within 10 s, in this order
    ```text       nothing to run

"..." stands for anything within a line, and for any lines where it is a line. Before a block may stand, as a comment,
`run by .ci/run` or `not run: WHY` (then it is not run here), `exits with N`, and `before: COMMANDS` (run first, and not shown).
"""
import argparse
import fcntl
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TIMEOUT = 60
ROOT = pathlib.Path(__file__).resolve().parent.parent


class Wrong(Exception):
    pass


def own_network():
    """Starts this script again in a network of its own; ports of this machine are not touched then."""
    if os.environ.get("WARREN_README_NETWORK") or not sys.platform.startswith("linux"):
        return
    os.environ["WARREN_README_NETWORK"] = "shared"
    if subprocess.run(["unshare", "-r", "-n", "true"], capture_output=True).returncode == 0:
        os.environ["WARREN_README_NETWORK"] = "own"
        os.execvp("unshare", ["unshare", "-r", "-n", sys.executable, *sys.argv])


def raise_loopback():
    if os.environ.get("WARREN_README_NETWORK") != "own":
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
        request = struct.pack("16sh14x", b"lo", 0)
        flags, = struct.unpack("16xh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def fits(expected, line):
    """Whether a line is as shown."""
    pattern = ".*".join(re.escape(part) for part in expected.rstrip().split("..."))
    return re.fullmatch(pattern, line.rstrip()) is not None


def fit(expected, lines):
    """Whether all lines are as shown."""
    if not expected:
        return not lines
    if expected[0].strip() == "...":
        return any(fit(expected[1:], lines[count:]) for count in range(len(lines) + 1))
    return bool(lines) and fits(expected[0], lines[0]) and fit(expected[1:], lines[1:])


class Section:
    """The folder and the processes of what stands under a heading."""

    def __init__(self, path):
        self.folder = tempfile.TemporaryDirectory(prefix="warren-readme-")
        self.running = []
        self.environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.environment |= {"PATH": f"{path}:{os.environ['PATH']}", "HOME": self.folder.name, "PYTHONUNBUFFERED": "1"}

    def write(self, name, text):
        file = pathlib.Path(self.folder.name, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def start(self, command):
        log = pathlib.Path(self.folder.name, f".log-{len(self.running)}")
        with open(log, "wb") as output:
            process = subprocess.Popen(["bash", "-c", "exec " + command], cwd=self.folder.name, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.running.append((command, process, log))
        said = r"^ready\b|\"ready\"" if command.startswith("warren run") else r"\n"
        self.wait(lambda: re.search(said, log.read_text(errors="replace"), re.M) or process.poll() is not None, 30)
        if process.poll() is not None or not re.search(said, log.read_text(errors="replace"), re.M):
            raise Wrong(f"{command}\ndid not start:\n{log.read_text(errors='replace')}")
        return process, log

    def run(self, command):
        result = subprocess.run(["bash", "-c", command], cwd=self.folder.name, env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=TIMEOUT)
        return result.returncode, result.stdout.splitlines()

    @staticmethod
    def wait(condition, seconds):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        return condition()

    def log(self, file, expected):
        found = [log for command, _, log in self.running if f"-c {file}" in command]
        if not found:
            raise Wrong(f"no `warren run -c {file}` is running here")

        def missing():
            left = list(expected)
            for line in found[-1].read_text(errors="replace").splitlines():
                if left and fits(left[0], line):
                    left.pop(0)
            return left

        if not self.wait(lambda: not missing(), 10):
            raise Wrong(f"the log has no line\n    {missing()[0]}\nat its place; it is\n" + found[-1].read_text())

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def close(self):
        for _, process, _ in reversed(self.running):
            self.end(process)
        self.folder.cleanup()


def commands(lines):
    """Pairs of a command and the lines that follow it."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found and found[-1][0].endswith("\\"):
            found[-1][0] = found[-1][0][:-1] + line.strip()
        elif found:
            found[-1][1].append(line)
        else:
            raise Wrong(f"this stands before the first command: {line}")
    return found


def run_console(section, lines, code):
    count = 0
    for command, expected in commands(lines):
        bare = re.sub(r"\s+#\s.*$", "", command).rstrip()
        count += 1
        if bare.endswith("&"):
            section.start(bare[:-1].rstrip())
        elif bare.startswith("warren run "):
            process, log = section.start(bare)
            if section.end(process) != 0:
                raise Wrong(f"{bare}\nended with {process.returncode}:\n{log.read_text()}")
        else:
            status, printed = section.run(bare)
            if status != code:
                raise Wrong(f"{bare}\nexits with {status}, not {code}:\n" + "\n".join(printed))
            if not fit(expected, printed):
                raise Wrong(f"{bare}\nshould print\n" + "\n".join(expected) + "\nbut prints\n" + "\n".join(printed))
    return count


def files_in(lines):
    """What follows each line `# NAME.yaml`, by that name."""
    found = {}
    for line in lines:
        if match := re.match(r"# (\S+\.yaml)\b", line):
            found[match[1]] = []
        elif found:
            found[list(found)[-1]].append(line)
    return found


def blocks(text):
    """`(line number, heading or None, info, lines, comment)` of each heading and block."""
    found, info, lines, comment, number = [], None, [], [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if info is not None:
            if line.startswith("```"):
                found.append((first, None, info, lines, comment))
                info, comment = None, []
            else:
                lines.append(line)
        elif line.startswith("```"):
            info, lines, first = line[3:].strip(), [], number
        elif line.startswith("#"):
            found.append((number, line, "", [], []))
        elif match := re.fullmatch(r"<!-- (.*) -->", line):
            comment.append(match[1])
        elif line.strip():
            comment = []
    return found


def run_block(section, info, lines, comment, counts):
    kind = info.partition(" ")[0]
    skipped = [word for word in comment if re.match(r"run by |not run: ", word)]
    for word in comment:
        if word.startswith("before: "):
            status, printed = section.run("set -e; " + word.removeprefix("before: "))
            if status != 0:
                raise Wrong(f"{word}\nexits with {status}:\n" + "\n".join(printed))
    if kind == "yaml":
        for name, text in files_in(lines).items():
            # The line of its name is in the file, too: places in messages count it.
            section.write(name, "\n".join([f"# {name}", *text]) + "\n")
            counts["files"] += 1
    elif kind == "console":
        if skipped:
            counts["not run here"] += len(commands(lines))
            return
        exits = [int(word.split()[-1]) for word in comment if word.startswith("exits with ")]
        counts["commands"] += run_console(section, lines, exits[0] if exits else 0)
    elif kind == "log":
        for name, text in files_in(lines).items():
            section.log(name, text)
            counts["log lines"] += len(text)
    elif kind != "text":
        raise Wrong(f"what is a block of {info or 'nothing'}? write console, yaml, log or text")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--warren", default=str(ROOT / ".build/debug/warren"))
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    own_network()
    raise_loopback()
    files = options.files or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    counts = dict.fromkeys(["commands", "files", "log lines", "not run here"], 0)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="warren-readme-") as path:
        os.symlink(pathlib.Path(options.warren).resolve(), f"{path}/warren")
        for file in files:
            section = Section(path)
            try:
                for number, heading, info, lines, comment in blocks(pathlib.Path(file).read_text()):
                    if heading:
                        if heading.startswith("## "):
                            section.close()
                            section = Section(path)
                        continue
                    try:
                        run_block(section, info, lines, comment, counts)
                    except (Wrong, subprocess.TimeoutExpired) as wrong:
                        failed += 1
                        print(f"{file}:{number}: {wrong}\n")
            finally:
                section.close()
    print(", ".join(f"{count} {name}" for name, count in counts.items()) + f"; {failed} wrong")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
