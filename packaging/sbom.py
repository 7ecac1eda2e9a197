"""Writes the bill of materials of a crate (CycloneDX 1.5, JSON) from `cargo metadata`.

    cargo metadata --format-version 1 | sbom.py CRATE

The crates are those that are built into the program: not those of tests. Their checksums are those
of Cargo.lock, which cargo verifies.
"""

import datetime
import json
import os
import sys
import tomllib
import uuid


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    found = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package.get("description"):
        found["description"] = " ".join(package["description"].split())
    if package.get("license"):
        # Old crates write a slash for "or".
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := checksums.get((package["name"], package["version"])):
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package.get("repository"):
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def main():
    (crate,) = sys.argv[1:]
    metadata = json.load(sys.stdin)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(package for package in packages.values() if package["name"] == crate)

    def dependencies(identity):
        for dependency in nodes[identity]["deps"]:
            # Kinds are null for normal dependencies, else "build" or "dev".
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                yield dependency["pkg"]

    used, waiting = {root["id"]}, [root["id"]]
    while waiting:
        for found in dependencies(waiting.pop()):
            if found not in used:
                used.add(found)
                waiting.append(found)

    with open(os.path.join(metadata["workspace_root"], "Cargo.lock"), "rb") as lock:
        locked = tomllib.load(lock)["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    order = sorted(used, key=lambda identity: (packages[identity]["name"], packages[identity]["version"]))
    time = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.UTC)
    program = component(root, checksums) | {"type": "application"}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(reference(packages[identity]) for identity in order)).urn,
        "version": 1,
        "metadata": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": program},
        "components": [component(packages[identity], checksums) for identity in order if identity != root["id"]],
        "dependencies": [
            {
                "ref": reference(packages[identity]),
                "dependsOn": sorted({reference(packages[found]) for found in dependencies(identity)}),
            }
            for identity in order
        ],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
