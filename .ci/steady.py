"""Fails unless records of one engine agree: the same verdicts under all seeds, equal lines under one seed."""

from __future__ import annotations

import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from gradlaws.reports.record_file import read

TIMES = ("seconds", "started", "seal")


def main(paths: list[Path]) -> int:
    """Compare the records; 0 if they agree."""
    by_seed: dict[int, list[tuple[Path, list[Any]]]] = defaultdict(list)
    verdicts: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        lines = [{key: value for key, value in line.items() if key not in TIMES} for line in read(path)]
        by_seed[lines[0]["seed"]].append((path, sorted(lines, key=str)))
        for line in lines:
            if line["type"] == "result":
                verdicts[line["law"]][path.name] = line["verdict"]
    # A listed defect of one op comes up where the op does: with and without it the law conforms.
    now_and_then = [law for law, found in verdicts.items() if {"KNOWN", "PASS"} == set(found.values())]
    if now_and_then:
        print(f"a listed failure shows under some seeds only: {', '.join(now_and_then)}")
    flaky = {
        law: found
        for law, found in verdicts.items()
        if len({v.replace("KNOWN", "PASS") for v in found.values()}) > 1
    }
    for law, found in flaky.items():
        print(f"{law} is not steady: {found}")
    unequal = [
        f"{first[0].name} and {other[0].name}"
        for runs in by_seed.values()
        for first, other in pairwise(runs)
        if first[1] != other[1]
    ]
    for pair in unequal:
        print(f"{pair} have the same seed, but not the same lines")
    unknown = sorted(law for law, found in verdicts.items() if "UNKNOWN" in found.values())
    if unknown:
        print(f"UNKNOWN: {', '.join(unknown)}")
    print(
        f"{len(paths)} records, {len(by_seed)} seeds, {len(verdicts)} laws: {len(flaky)} flaky, {len(unequal)} unequal"
    )
    return 1 if flaky or unequal or unknown else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
