"""The crates that are built into a program, by the output of `cargo metadata`."""

import json
import sys


class Program:
    """A program and its crates: not those of tests."""

    def __init__(self, metadata, name):
        self.workspace_root = metadata["workspace_root"]
        self.packages = {package["id"]: package for package in metadata["packages"]}
        self._nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        self.root = next(package for package in self.packages.values() if package["name"] == name)
        used, waiting = {self.root["id"]}, [self.root["id"]]
        while waiting:
            for found in self.dependencies(waiting.pop()):
                if found not in used:
                    used.add(found)
                    waiting.append(found)
        # Identities of the crates, the program included, by name and version.
        self.used = sorted(used, key=lambda identity: self._key(self.packages[identity]))

    @staticmethod
    def _key(package):
        return package["name"], package["version"]

    def dependencies(self, identity):
        """Yields the crates that a crate is built with."""
        for dependency in self._nodes[identity]["deps"]:
            # Kinds are null for normal dependencies, else "build" or "dev".
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                yield dependency["pkg"]


def read_program():
    """Returns the program that the command line names, with the metadata on standard input."""
    (name,) = sys.argv[1:]
    return Program(json.load(sys.stdin), name)
