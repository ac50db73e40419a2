"""Size of the tests of risk models, the long form: many samples, ties broken at random."""

import json
import math
import sys

import numpy as np

from apps.risk.kernel.exceptions import (
    conditional_coverage,
    independence,
    kupiec,
    too_many,
)
from apps.risk.kernel.grades_power import CASES, rejections

DRAWS = 20_000
COUNTED = ("kupiec", "independence", "conditional_coverage", "too_many")
GRID = ((125, 0.95), (250, 0.95), (250, 0.99), (500, 0.975), (500, 0.99), (1000, 0.99))


def broken_ties(days, level, draws):
    """How often each exact test speaks at 5 % when ties are broken at random: 5 % to the digit."""
    rng, spoke = np.random.default_rng(17), np.zeros(len(COUNTED))
    for _ in range(draws):
        flags = rng.random(days) < 1 - level
        found = (
            kupiec(flags, level),
            independence(flags),
            conditional_coverage(flags, level),
            too_many(flags, level),
        )
        spoke += [test.randomised(rng.random()) <= 0.05 for test in found]
    return dict(zip(COUNTED, spoke / draws, strict=True))


def run(draws=DRAWS):
    """Yield a row for every number of days and level; ``passed`` within four errors of 5 %."""
    error = math.sqrt(0.05 * 0.95 / draws)
    for days, level in GRID:
        shares = broken_ties(days, level, draws)
        for name in ("right", "right_t5"):
            found = rejections(CASES[name], days, level, draws // 4, seed=days)
            shares |= {f"{test}, {name}": found[test] for test in ("z1", "z2")}
            if days * (1 - level) >= 3:
                shares[f"esr, {name}"] = found["esr"]
        far = [
            test for test, share in shares.items()
            if abs(share - 0.05) > (8 if "," in test else 4) * error
        ]  # fmt: skip
        yield {"days": days, "level": level, "size": shares, "far": far, "passed": not far}


def main():
    """Tell every row as a JSON line; 1 when a test does not keep its size."""
    failed = False
    for row in run():
        sys.stdout.write(json.dumps({"row": "grade_sizes", **row}) + "\n")
        sys.stdout.flush()
        failed = failed or not row["passed"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
