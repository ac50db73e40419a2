"""Instruments by what was traded of them: for universes such as the fifty largest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from django.db.models import Q

from apps.core.errors import Invalid, NotFound
from apps.market import store
from apps.market.kernel.periods import bounds
from apps.market.models import Dataset, Series
from apps.market.selectors.versions import members_on

MEASURES = ("turnover", "volume")


@dataclass(frozen=True, slots=True)
class Rule:
    """How a universe is picked: members of an index on a day, or the most traded before it.

    Parameters
    ----------
    on
        The day the choice is made: only bars before it count.
    by, top, days
        ``turnover`` (close times volume) or ``volume``, how many, over how many days before.
    index
        Only members of this index on that day.
    """

    on: date
    dataset: str = ""
    index: str = ""
    by: str = "turnover"
    top: int = 0
    days: int = 30

    def words(self) -> str:
        """Return the rule as a sentence on who is missing."""
        parts = [f"members of {self.index}"] if self.index else []
        if self.top:
            parts.append(
                f"the {self.top} with the largest {self.by} of the {self.days} days before"
            )
        return (
            f"Picked on {self.on}: {', '.join(parts)}. Results before that day are flattered by "
            "knowing the choice."
        )


def pick(*, team_id: int, rule: Rule, timeframe: str) -> list[str]:
    """Return the symbols that a rule picks, by name.

    Raises
    ------
    Invalid
        ``rule.empty``, ``rule.by``, ``rule.nothing_traded``.
    NotFound
        ``dataset.unknown``, ``index.unknown``.
    """
    _check(rule)
    members = members_on(team_id=team_id, index=rule.index, on=rule.on) if rule.index else None
    if not rule.top:
        return members or []
    series = _series(team_id, rule.dataset, timeframe)
    if members is not None:
        series = {key: symbol for key, symbol in series.items() if symbol in set(members)}
    low, _ = bounds((rule.on - timedelta(days=rule.days)).isoformat(), None)
    _, high = bounds(None, (rule.on - timedelta(days=1)).isoformat())
    found = store.read_bars(list(series), low, high) if series else {}
    traded = {
        series[key]: float(np.sum(bars.volume * (bars.close if rule.by == "turnover" else 1.0)))
        for key, bars in found.items()
    }
    ranked = sorted((symbol for symbol in traded if traded[symbol] > 0), key=lambda s: -traded[s])
    if not ranked:
        message = (
            f"Nothing of {rule.dataset} was traded in the {rule.days} days before {rule.on}; "
            "choose a day within the stored bars."
        )
        raise Invalid(message, code="rule.nothing_traded", details={"field": "rule.on"})
    return sorted(ranked[: rule.top])


def _check(rule: Rule) -> None:
    if not rule.top and not rule.index:
        message = "The rule picks nothing: give top (how many), an index, or both."
        raise Invalid(message, code="rule.empty", details={"field": "rule"})
    if rule.by not in MEASURES:
        message = f"by = {rule.by!r}; choose {' or '.join(MEASURES)}."
        raise Invalid(message, code="rule.by", details={"field": "rule.by"})


def _series(team_id: int, dataset: str, timeframe: str) -> dict[int, str]:
    place = Dataset.objects.filter(Q(team_id=team_id) | Q(team=None), name=dataset)
    found = place.order_by("team_id").first()
    if found is None:
        message = f"There is no dataset {dataset!r}; name the one to pick from."
        raise NotFound(message, code="dataset.unknown", details={"field": "rule.dataset"})
    rows = Series.objects.filter(instrument__dataset=found, timeframe=timeframe)
    return dict(rows.values_list("id", "instrument__symbol"))
