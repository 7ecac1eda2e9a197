"""Writes the bill of materials of a crate (CycloneDX 1.5, JSON) from `cargo metadata`.

    cargo metadata --format-version 1 | sbom.py CRATE

The crates are those that are built into the program: not those of tests. Their checksums are those
of Cargo.lock, which cargo verifies. The program also has the files of the terminal's page, from npm.
"""

import datetime
import json
import os
import re
import sys
import tomllib
import uuid

from crates import read_program


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


def vendored(workspace_root):
    """Returns the packages of npm whose files are kept in the repository, which ci/xterm.sh fetches."""
    with open(os.path.join(workspace_root, "ci/xterm.sh")) as script:
        packages = re.findall(r"^\w+=@([\w-]+)/([\w-]+)@([\d.]+)$", script.read(), re.MULTILINE)
    if not packages:
        sys.exit("sbom: ci/xterm.sh names no package")
    return [
        {
            "type": "library",
            "bom-ref": (purl := f"pkg:npm/%40{scope}/{name}@{version}"),
            "group": f"@{scope}",
            "name": name,
            "version": version,
            "purl": purl,
            "licenses": [{"expression": "MIT"}],
        }
        for scope, name, version in packages
    ]


def dependencies(program, identity, others):
    """Returns the references of the parts of a crate; `others` are those of the program."""
    found = {reference(program.packages[dependency]) for dependency in program.dependencies(identity)}
    if identity == program.root["id"]:
        found |= {other["bom-ref"] for other in others}
    return sorted(found)


def main():
    program = read_program()
    packages, order = program.packages, program.used

    with open(os.path.join(program.workspace_root, "Cargo.lock"), "rb") as lock:
        locked = tomllib.load(lock)["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    time = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.UTC)
    application = component(program.root, checksums) | {"type": "application"}
    others = vendored(program.workspace_root)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(reference(packages[identity]) for identity in order)).urn,
        "version": 1,
        "metadata": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": application},
        "components": [
            component(packages[identity], checksums) for identity in order if identity != program.root["id"]
        ]
        + others,
        "dependencies": [
            {"ref": reference(packages[identity]), "dependsOn": dependencies(program, identity, others)}
            for identity in order
        ],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
