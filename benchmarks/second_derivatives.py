"""Whether the laws notice that the second derivative of a row is lost, or doubled: every row, several seeds.

    python benchmarks/second_derivatives.py [--seeds 3] [--laws HO-11,HO-14] [ROW ...]

Prints each row that is curved and whose fault a law misses, and each that is not and where one finds a fault;
exit code 1 if there are any. Some minutes for all rows.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from gradlaws.conformance.faults.higher_order import second_derivative
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.laws import LAWS
from gradlaws.strategies.every_op_in_turn import curved
from gradlaws.strategies.vocabulary import Vocabulary


def main() -> int:
    """Try all faults; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--laws", default="HO-11,HO-14")
    parser.add_argument("rows", nargs="*")
    options = parser.parse_args()
    wrong = tried = 0
    with np.errstate(all="ignore"):
        for row in options.rows or [row.name for row in Vocabulary().differentiable]:
            for factor in (0.0, 2.0):
                for law in options.laws.split(","):
                    for seed in range(options.seeds):
                        engine = second_derivative(row, factor)
                        verdict = judge(LAWS[law], engine, Effort(seed=seed, shrink=0.0)).verdict
                        tried += curved(row)
                        if (verdict is Verdict.FAIL) != curved(row):
                            wrong += 1
                            print(f"{row}: {'doubled' if factor else 'lost'}, {law}, seed {seed}: {verdict}")
    print(f"{tried} faults of rows with a second derivative, {wrong} verdicts that are not as they should be")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
