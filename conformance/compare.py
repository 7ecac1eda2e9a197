#!/usr/bin/env python3
"""Compares a report of the Autobahn test suite with the results that are checked in.

    compare.py ROLE INDEX.json EXPECTED.json SELECTION.json

Fails on a result that is not the expected one, on a case that is missing or was not expected,
and on an expectation that is anything but OK or INFORMATIONAL.
"""

import json
import re
import sys
from collections import Counter

ALLOWED = {"OK", "INFORMATIONAL"}


def load(path):
    with open(path) as file:
        return json.load(file)


def selected(case, selection):
    """Returns whether the suite would run the case, given the patterns of its specification."""

    def match(pattern):
        # In the suite, a pattern with an asterisk needs to match the beginning of the case's name
        # only.
        if "*" not in pattern:
            return case == pattern
        return re.match(".*".join(map(re.escape, pattern.split("*"))), case)

    def matches(patterns):
        return any(map(match, patterns))

    return matches(selection["cases"]) and not matches(selection["exclude-cases"])


def sort_key(case):
    return [int(part) for part in case.split(".")]


def differences(actual, expected):
    for case in sorted(actual.keys() | expected.keys(), key=sort_key):
        if case not in actual:
            yield case, "was not run"
        elif case not in expected:
            yield case, f"is not among the expected cases: {actual[case]}"
        elif actual[case] != expected[case]:
            yield case, f"expected {expected[case]}, got {actual[case]}"
        elif not ALLOWED.issuperset(actual[case]):
            yield case, f"must not be expected: {expected[case]}"


def print_table(role, actual, milliseconds):
    """Prints one line for each category of cases: their number, duration and behaviors."""
    print(f"{role:<9}{'cases':>6}{'seconds':>9}  behavior, behavior at close")
    categories = sorted({case.split(".")[0] for case in actual}, key=int)
    for category in categories + ["all"]:
        cases = [case for case in actual if category in ("all", case.split(".")[0])]
        counts = Counter("/".join(actual[case]) for case in cases)
        results = ", ".join(f"{count} {result}" for result, count in counts.most_common())
        seconds = sum(milliseconds[case] for case in cases) / 1000
        print(f"  {category:<7}{len(cases):>6}{seconds:>9.1f}  {results}")


def main(role, index_file, expected_file, selection_file):
    try:
        agents = load(index_file)
    except FileNotFoundError:
        sys.exit(f"{role}: the suite wrote no report {index_file}")
    if len(agents) != 1:
        sys.exit(f"{role}: the report has {len(agents)} agents, not one")
    (results,) = agents.values()

    selection = load(selection_file)
    expected = {case: result for case, result in load(expected_file).items() if selected(case, selection)}
    actual = {case: [result["behavior"], result["behaviorClose"]] for case, result in results.items()}

    print_table(role, actual, {case: result["duration"] for case, result in results.items()})
    problems = list(differences(actual, expected))
    for case, problem in problems:
        print(f"{role}: case {case} {problem}")
    if not expected:
        sys.exit(f"{role}: no case is expected")
    if problems:
        sys.exit(f"{role}: {len(problems)} of {len(expected)} cases differ from {expected_file}")
    print(f"{role}: all {len(expected)} cases as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
