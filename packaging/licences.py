"""Writes the licences of everything that is built into a program, from `cargo metadata`.

    cargo metadata --format-version 1 | licences.py CRATE

Each text has the crates and the vendored files under it above it, and is written once, whatever the
spaces in it. Fails for a crate whose licence is not found.
"""

import os
import sys

from crates import read_program

NAMES = ("licen", "copying", "copyright", "notice", "unlicense")
# Folders that are no part of the program.
SKIPPED = {"benches", "examples", "fuzz", "node_modules", "target", "testing", "tests"}
RULE = "=" * 80


def files_below(folder):
    """Yields the licences of a crate, and those of the files of others in it."""
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(names):
            if name.lower().startswith(NAMES) and not name.endswith(".rs"):
                yield os.path.join(path, name)


def texts_of_crates(program):
    """Yields the name of each crate of others, and the files with its licence."""
    found, lacking = {}, []
    for identity in program.used:
        package = program.packages[identity]
        # Crates of this workspace have no source, and the licence of the program.
        if package["source"] is None:
            continue
        files = list(files_below(os.path.dirname(package["manifest_path"])))
        name = f"{package['name']} {package['version']}"
        if files:
            found.setdefault(package["repository"], files)
            yield name, files
        else:
            lacking.append((name, package))
    # Some repositories have their licence in one of their crates only. The text of Apache-2.0 names
    # no author.
    for name, package in lacking:
        if files := found.get(package["repository"]):
            yield name, files
        elif "Apache-2.0" in (package["license"] or ""):
            yield name, [os.path.join(program.workspace_root, "LICENSE-APACHE")]
        else:
            sys.exit(f"licences: {name} ({package['license']}) has no file with its licence")


def main():
    program = read_program()
    texts = {}

    def add(name, path):
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read().strip("\n")
        texts.setdefault(" ".join(text.split()), (text, []))[1].append(name)

    for name, files in texts_of_crates(program):
        for path in files:
            add(name, path)
    for identity in program.used:
        package = program.packages[identity]
        if package["source"] is None:
            for path in files_below(os.path.dirname(package["manifest_path"])):
                add(os.path.relpath(os.path.dirname(path), program.workspace_root), path)

    print(f"Parts of the program of {program.root['name']} {program.root['version']} are under these licences.")
    for text, names in sorted(texts.values(), key=lambda entry: sorted(entry[1])):
        print(f"\n{RULE}\n{', '.join(sorted(set(names)))}\n{RULE}\n\n{text}")


if __name__ == "__main__":
    main()
