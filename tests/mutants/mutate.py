#!/usr/bin/python3
"""Applies a mutant: a text file whose first line says what it breaks, then blocks of

    --- FILE
    lines that are there, exactly once
    +++
    lines that stand there instead

    mutate.py check ROOT FILE…    whether each applies, as TAP
    mutate.py apply ROOT FILE     changes the files below ROOT; names them
    mutate.py what FILE           its first line
"""
import os
import sys


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def blocks_of(path):
    """Returns what the mutant breaks, and a list of [file, old, new]."""
    what, *lines = read(path).splitlines(keepends=True)
    blocks = []
    for line in lines:
        if line.startswith("--- "):
            blocks.append([line[4:].strip(), "", ""])
            side = 1
        elif line.strip() == "+++":
            side = 2
        else:
            blocks[-1][side] += line
    return what.strip(), blocks


def apply(root, path):
    """Returns {file: its new text}; raises ValueError where a block does not fit."""
    changed = {}
    for name, old, new in blocks_of(path)[1]:
        text = changed[name] if name in changed else read(os.path.join(root, name))
        count = text.count(old)
        if count != 1:
            raise ValueError(f"{name} has these lines {count} times, not once:\n{old}")
        changed[name] = text.replace(old, new)
    if not changed:
        raise ValueError("it changes nothing")
    return changed


def check(root, paths):
    bad = 0
    for number, path in enumerate(paths, 1):
        name = os.path.splitext(os.path.basename(path))[0]
        try:
            apply(root, path)
            print(f"ok {number} - {name} applies")
        except (OSError, ValueError) as error:
            bad += 1
            print(f"not ok {number} - {name} applies")
            print("".join(f"# {line}\n" for line in str(error).splitlines()), end="")
    print(f"1..{len(paths)}")
    return 1 if bad else 0


def main(verb, *rest):
    if verb == "check":
        return check(rest[0], sorted(rest[1:]))
    if verb == "what":
        print(blocks_of(rest[0])[0])
        return 0
    for name, text in apply(*rest).items():
        with open(os.path.join(rest[0], name), "w", encoding="utf-8") as file:
            file.write(text)
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
