#!/usr/bin/env python3
"""Prints a specification for the Autobahn test suite.

    spec.py fuzzingclient|fuzzingserver URL REPORT_FOLDER SELECTION.json

As fuzzingclient, the suite connects to URL; as fuzzingserver, the suite listens there.
"""

import json
import sys

mode, url, folder, selection_file = sys.argv[1:]
with open(selection_file) as file:
    selection = json.load(file)

spec = {"outdir": folder, **selection, "exclude-agent-cases": {}}
if mode == "fuzzingclient":
    spec["servers"] = [{"agent": "sockeye", "url": url}]
elif mode == "fuzzingserver":
    spec["url"] = url
else:
    sys.exit(f"unknown mode: {mode}")
print(json.dumps(spec, indent=2))
