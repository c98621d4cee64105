#!/usr/bin/env python3
"""Finds operations in Sources that end the process on a state that somebody outside might cause.

    traps.py            fails on any that scripts/traps-allowed.txt does not list with a reason
    traps.py --list     prints all that there are, as lines for that file

An entry is `FILE | CODE | REASON`: the line's code without the blanks around it, so that it survives a move. The measuring
and demonstrating parts (Bench, Demo) and what only tests use (WarrenTesting) are not looked at.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "scripts/traps-allowed.txt"
SKIPPED = ("Sources/WarrenBench/", "Sources/WarrenDemo/", "Sources/WarrenTesting/")
TRAPS = re.compile(
    r"""\bremoveFirst\(|\bremoveLast\(            # of what may be empty: popFirst, popLast, dropFirst
    |\b(?:precondition|preconditionFailure|preconditionInEventLoop|fatalError|assertionFailure)\(
    |\btry!|\bas!|\bunowned\b|\bunsafelyUnwrapped\b|\bunsafeDowncast\(|\bunsafeBitCast\(
    |[\w)\]>?]!(?=[\s.,:;()\[\]{}]|$)              # an optional taken for granted
    |(?P<name>\b\w+)[?!]?\[-?\d+\]               # a fixed place of a collection, unless its count is asked on the line
    |\buniqueKeysWithValues:|\brandomElement\(\)!
    |\.remove\(at:|\.swapAt\(
    |\b(?:Int|UInt|UInt8|UInt16|UInt32|UInt64)\((?:Date|[\w.]*[tT]imeInterval\w*)
    """,
    re.X,
)
STRING = re.compile(r'"(?:\\\\|\\\([^()]*\)|\\.|[^"\\])*"')


def code(line, in_text):
    """The line without comments and texts, and whether a text of several lines goes on behind it."""
    if '"""' in line:
        before, _, rest = line.partition('"""')
        if in_text:
            return rest, False
        return before, '"""' not in rest
    if in_text:
        return "", True
    bare = STRING.sub('""', line)
    return bare.split("//")[0], False


def found():
    for path in sorted(ROOT.glob("Sources/**/*.swift")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(SKIPPED):
            continue
        in_text = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            bare, in_text = code(line, in_text)
            if any(not is_asked(trap, bare) for trap in TRAPS.finditer(bare)):
                yield name, number, line.strip()


def is_asked(trap, bare):
    return trap["name"] is not None and re.search(rf"\b{trap['name']}\.count [=>]", bare[: trap.start()]) is not None


def main():
    if sys.argv[1:] == ["--list"]:
        for name, _, line in found():
            print(f"{name} | {line} | ")
        return 0
    allowed = {}
    for number, line in enumerate(ALLOWED.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(" | ")
        text, _, reason = rest.rpartition(" | ")
        if not reason.strip():
            print(f"{ALLOWED.name}:{number}: no reason is given")
            return 1
        allowed[name, text] = number
    failed, used = 0, set()
    for name, number, line in found():
        if (name, line) in allowed:
            used.add((name, line))
            continue
        print(f"{name}:{number}: may end the process: {line}")
        failed = 1
    for entry in sorted(set(allowed) - used, key=allowed.get):
        print(f"note: {ALLOWED.name}:{allowed[entry]}: there is nothing like it any more: {entry[0]} | {entry[1]}")
    if failed:
        print("Write it so that it cannot trap, or add it to scripts/traps-allowed.txt with the reason why it cannot.")
    return failed


sys.exit(main())
