"""Combinatorial splits: which groups of bars train, which test, which bars are left out, paths.

The bars are cut into N groups. Every choice of k of them is a split: these test, the others
train. Around each test group training loses the ``purge`` bars before it and the ``purge`` +
``embargo`` bars after it. Each group is tested in C(N - 1, k - 1) splits, so the tests make up
φ = k / N · C(N, k) paths, each of which tells the whole history once.

References
----------
López de Prado, "Advances in Financial Machine Learning" (2018), ch. 7 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.validation.folds import refusal
from apps.core.errors import Invalid

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
FIELDS = ("groups", "test_groups", "purge", "embargo", "warmup")
GROUPS, TEST_GROUPS = 6, 2
MOST_GROUPS, MOST_SPLITS = 20, 2_000
LEAST_TRAIN, LEAST_GROUP = 10, 5
MOST_BARS = 10_000_000


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """``groups`` are N, ``test_groups`` k; the rest is bars.

    ``warmup`` is what the strategy sees before a group, the longest of the combinations unless
    said.
    """

    groups: int = GROUPS
    test_groups: int = TEST_GROUPS
    purge: int = 0
    embargo: int = 0
    warmup: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON."""
        return asdict(self)

    @property
    def splits(self) -> int:
        """How many splits there are."""
        return math.comb(self.groups, self.test_groups)

    @property
    def paths(self) -> int:
        """How many paths their tests make up."""
        return math.comb(self.groups - 1, self.test_groups - 1)


def read_split_plan(given: Mapping[str, Any]) -> SplitPlan:
    """Return a checked plan. Raises ``Invalid`` (``validation.plan``) with the field at fault."""
    if not isinstance(given, Mapping):
        raise refusal("plan", 'give an object such as {"groups": 6, "test_groups": 2}')
    unknown = sorted(set(given) - set(FIELDS))
    if unknown:
        known = ", ".join(FIELDS)
        raise refusal(f"plan.{unknown[0]}", f"is no field of a plan; there are {known}")
    groups = _whole(given, "groups", GROUPS, 3, MOST_GROUPS)
    tested = _whole(given, "test_groups", min(TEST_GROUPS, groups - 1), 1, groups - 1)
    plan = SplitPlan(
        groups=groups,
        test_groups=tested,
        purge=_whole(given, "purge", 0, 0, MOST_BARS),
        embargo=_whole(given, "embargo", 0, 0, MOST_BARS),
        warmup=None if given.get("warmup") is None else _whole(given, "warmup", 0, 0, MOST_BARS),
    )
    if plan.splits > MOST_SPLITS:
        message = f"{tested} of {groups} make {plan.splits:,} splits; at most {MOST_SPLITS:,}"
        raise refusal("plan.test_groups", message)
    return plan


def _whole(given: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refusal(f"plan.{name}", f"{value!r}: a whole number from {low} to {high:,}")
    return value


def edges_of(n_bars: int, groups: int) -> Ints:
    """Return where groups begin and the last one ends, ``(groups + 1,)``.

    Each has ⌊T / N⌋ bars, the last one the rest too.
    """
    edges = np.arange(groups + 1, dtype=np.int64) * (n_bars // groups)
    edges[-1] = n_bars
    return edges


def tests_of(plan: SplitPlan) -> Ints:
    """Return the groups that each split tests, ``(splits, k)``, in lexicographic order."""
    chosen = list(combinations(range(plan.groups), plan.test_groups))
    return np.array(chosen, dtype=np.int64)


def paths_of(plan: SplitPlan) -> Ints:
    """Return which split tells each group of each path, ``(paths, groups)``.

    Path j takes of each group the j-th split that tests it.
    """
    tests = tests_of(plan)
    telling = [np.flatnonzero((tests == group).any(axis=1)) for group in range(plan.groups)]
    return np.column_stack(telling).astype(np.int64)


def train_mask(plan: SplitPlan, edges: Ints, tested: Ints) -> Bools:
    """Return which bars a split trains on, ``(n_bars,)``."""
    kept = np.ones(int(edges[-1]), dtype=np.bool_)
    for group in tested:
        start, stop = int(edges[group]), int(edges[group + 1])
        kept[max(start - plan.purge, 0) : stop + plan.purge + plan.embargo] = False
    # Groups tested side by side: what lies behind the first is the second, and neither trains.
    return kept


def train_masks(plan: SplitPlan, n_bars: int) -> Bools:
    """Return the training of every split, ``(splits, n_bars)``.

    Raises
    ------
    Invalid
        ``validation.too_short`` where groups are too short, or purge and embargo leave a split
        too little to train on.
    """
    edges = edges_of(n_bars, plan.groups)
    if n_bars // plan.groups < LEAST_GROUP:
        message = (
            f"{n_bars} bars after the warm-up make {plan.groups} groups of less than "
            f"{LEAST_GROUP}; choose an earlier start or fewer groups."
        )
        raise Invalid(message, code="validation.too_short", details={"field": "plan.groups"})
    masks = np.stack([train_mask(plan, edges, tested) for tested in tests_of(plan)])
    least = int(masks.sum(axis=1).min())
    if least < LEAST_TRAIN:
        message = (
            f"A purge of {plan.purge} and an embargo of {plan.embargo} bars leave a split {least} "
            f"bars to train on; {LEAST_TRAIN} are the least."
        )
        raise Invalid(message, code="validation.too_short", details={"field": "plan.purge"})
    return masks


def tested_masks(plan: SplitPlan, n_bars: int) -> Bools:
    """Return the bars that every split tests, ``(splits, n_bars)``."""
    edges = edges_of(n_bars, plan.groups)
    group = np.searchsorted(edges, np.arange(n_bars), side="right") - 1
    found: Bools = (group[None, :, None] == tests_of(plan)[:, None, :]).any(axis=2)
    return found
