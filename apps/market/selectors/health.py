"""How whole the stored bars are: by universe, by series, and around one finding."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from apps.core.errors import NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import Panel
from apps.market.kernel.findings import KINDS
from apps.market.kernel.gap_map import GapMap, MapLine, lay_out_map
from apps.market.kernel.health import health_score as score_of
from apps.market.kernel.health import iso
from apps.market.kernel.periods import micros
from apps.market.models import Acknowledged, Checkup, Series, Universe
from apps.market.selectors.locations import unknown_symbol
from apps.market.selectors.panels import read_panel
from apps.market.selectors.universes import get_universe

MOST_ON_MAP = 200
FALL = 2.0  # points of a universe's score
FALL_WITHIN = timedelta(days=7)
SIDE_BARS = 20


def series_in(*, team_id: int | None, universe: Any) -> QuerySet[Series]:
    """Return the series a universe is made of, as far as the team may see them."""
    return _seen_by(team_id).filter(_made_of(universe)).order_by("instrument__symbol")


def _seen_by(team_id: int | None) -> QuerySet[Series]:
    return Series.objects.filter(
        Q(instrument__dataset__team_id=team_id) | Q(instrument__dataset__team=None)
    )


def _made_of(universe: Any) -> Q:
    return Q(
        instrument__dataset_id=universe.dataset_id,
        instrument__symbol__in=universe.symbols,
        timeframe=universe.timeframe,
    )


def acknowledged(team_id: int | None, series_ids: list[int]) -> dict[int, list[Acknowledged]]:
    """Return what a team took for real events, by series."""
    found: dict[int, list[Acknowledged]] = {}
    for row in Acknowledged.objects.filter(
        team_id__in=[team_id] if team_id else [], series_id__in=series_ids
    ):
        found.setdefault(row.series_id, []).append(row)
    return found


def open_counts(counts: dict[str, int] | None, known: list[Acknowledged]) -> dict[str, int]:
    """Return how many findings of each kind nobody has acknowledged."""
    left = Counter(counts or {})
    left.subtract(Counter(row.kind for row in known))
    return {kind: count for kind, count in left.items() if count > 0}


def data_health(*, team_id: int | None, universe: Any) -> dict[str, Any]:
    """Return the health of a universe: mean score, coverage, and its worst series."""
    return data_health_of(team_id=team_id, universes=[universe])[0]


def data_health_of(*, team_id: int | None, universes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the health of universes in their order, asked for together."""
    asked = reduce(or_, (_made_of(universe) for universe in universes), Q(pk=None))
    fields = ("pk", "instrument__symbol", "rows", "first_at", "last_at", "checked_at")
    parts = ("health__score", "health__coverage", "health__missing", "health__counts")
    place = ("instrument__dataset_id", "timeframe")
    found = list(_seen_by(team_id).filter(asked).values_list(*place, *fields, *parts))
    known = acknowledged(team_id, [row[2] for row in found]) if team_id else {}
    lines: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for row in found:
        lines[row[0], row[1], row[3]].append(row[2:])
    return [
        _health_from(
            [
                line
                for symbol in sorted(set(universe.symbols))
                for line in lines[universe.dataset_id, universe.timeframe, symbol]
            ],
            known,
        )
        for universe in universes
    ]


def _health_from(
    values: Sequence[tuple[Any, ...]], known: Mapping[int, list[Acknowledged]]
) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    for pk, symbol, _rows, _first, _last, _checked, score, coverage, missing, counts in values:
        if score is None:
            continue
        mine = open_counts(counts, known.get(pk, []))
        if pk in known:
            score = score_of(coverage, mine)
        lines.append(
            {
                "symbol": symbol,
                "score": score,
                "coverage": coverage,
                "missing": missing,
                "counts": mine,
            }
        )
    worst = sorted((line for line in lines if line["score"] < 100), key=lambda line: line["score"])
    kinds: Counter[str] = Counter()
    for line in lines:
        kinds.update(line["counts"])
    count = max(len(lines), 1)
    return {
        "score": round(sum(line["score"] for line in lines) / count, 1) if lines else None,
        "coverage": round(sum(line["coverage"] for line in lines) / count, 6),
        "missing": sum(line["missing"] for line in lines),
        "suspicions": sum(n for kind, n in kinds.items() if KINDS[kind].weight > 0),
        "kinds": dict(kinds.most_common()),
        "series": len(values),
        "rows": sum(row[2] for row in values),
        "first": min((row[3] for row in values if row[3]), default=None),
        "last": max((row[4] for row in values if row[4]), default=None),
        "unchecked": sum(row[5] is None for row in values),
        "checked_at": max((row[5] for row in values if row[5]), default=None),
        "worst": [
            {key: line[key] for key in ("symbol", "score", "missing")} for line in worst[:10]
        ],
    }


def coverage_of(*, universe: Any, team_id: int | None) -> list[dict[str, Any]]:
    """Return, per symbol of a universe, first and last bar, rows, gaps, findings and score."""
    rows = series_in(team_id=team_id, universe=universe)
    found = list(rows.select_related("instrument"))
    known = acknowledged(team_id, [row.pk for row in found]) if team_id else {}
    return [_line(row, known.get(row.pk, [])) for row in found]


def _line(row: Series, known: list[Acknowledged]) -> dict[str, Any]:
    return {
        "series_id": row.pk,
        "symbol": row.instrument.symbol,
        "name": row.instrument.name,
        "sector": row.instrument.sector,
        "rows": row.rows,
        "first": row.first_at,
        "last": row.last_at,
        "checked_at": row.checked_at,
        "health": with_states(row.health, known),
    }


def with_states(health: dict[str, Any], known: list[Acknowledged]) -> dict[str, Any]:
    """Return a series' health with the state of each finding, and the score that is left."""
    if "counts" not in health:  # not judged, or before findings had kinds
        return {"score": health.get("score"), "coverage": health.get("coverage")} | {
            "missing": health.get("missing", 0),
            "counts": {},
            "findings": [],
            "gaps": health.get("gaps", []),
        }
    by_key = {(row.kind, row.at): row for row in known}
    findings = [_with_state(item, by_key) for item in health["findings"]]
    left = open_counts(health["counts"], known)
    score = score_of(health["coverage"], left) if known else health["score"]
    return {**health, "findings": findings, "counts": left, "score": score}


def _with_state(
    item: dict[str, Any], known: dict[tuple[str, datetime], Acknowledged]
) -> dict[str, Any]:
    seen = known.get((item["kind"], datetime.fromisoformat(item["at"])))
    return {
        **item,
        "title": KINDS[item["kind"]].title,
        "meaning": KINDS[item["kind"]].meaning,
        "weight": 0.0 if seen else KINDS[item["kind"]].weight,
        "state": "acknowledged" if seen else "open",
        "said": seen.note if seen else "",
        "said_by": seen.created_by if seen else "",
    }


def find_series(*, team_id: int, symbol: str, dataset: str = "", timeframe: str = "") -> Series:
    """Return a series by names; without a dataset the team's own comes first.

    Raises
    ------
    NotFound
        ``symbol.unknown``, or ``series.not_found`` when there are no such bars.
    """
    rows = Series.objects.filter(
        Q(instrument__dataset__team_id=team_id) | Q(instrument__dataset__team=None),
        instrument__symbol=symbol,
    ).select_related("instrument__dataset")
    if dataset:
        rows = rows.filter(instrument__dataset__name=dataset)
    found = list(rows.order_by("instrument__dataset__team_id", "instrument__dataset_id", "id"))
    if not found:
        raise unknown_symbol(team_id, symbol, dataset)
    wanted = [row for row in found if timeframe in ("", row.timeframe)]
    if not wanted:
        there = ", ".join(sorted({row.timeframe for row in found}))
        message = f"{symbol} has no {timeframe} bars; there are {there}."
        raise NotFound(message, code="series.not_found", details={"field": "timeframe"})
    return wanted[0]


def instrument_health(
    *, team_id: int, symbol: str, dataset: str = "", timeframe: str = ""
) -> dict[str, Any]:
    """Return how whole the bars of one series are, with every finding listed.

    Raises as ``find_series`` does.
    """
    row = find_series(team_id=team_id, symbol=symbol, dataset=dataset, timeframe=timeframe)
    known = acknowledged(team_id, [row.pk]).get(row.pk, [])
    return {
        **_line(row, known),
        **with_states(row.health, known),
        "dataset": row.instrument.dataset.name,
        "timeframe": row.timeframe,
        "shared": row.instrument.dataset.team_id is None,
    }


def universe_health(*, team_id: int, name: str) -> dict[str, Any]:
    """Return the health of a universe and of each symbol. Raises ``NotFound``."""
    universe = get_universe(team_id=team_id, name=name)
    lines = coverage_of(universe=universe, team_id=team_id)
    return {
        "universe": universe.name,
        "dataset": universe.dataset,
        "timeframe": universe.timeframe,
        **data_health(team_id=team_id, universe=universe),
        "symbols": [
            {key: line[key] for key in ("symbol", "rows", "first", "last", "checked_at")}
            | {key: line["health"].get(key) for key in ("score", "coverage", "missing", "counts")}
            for line in lines
        ],
    }


def list_findings(
    *, team_id: int, name: str, kind: str = "", state: str = ""
) -> list[dict[str, Any]]:
    """Return the findings of a universe, the heaviest first. Raises ``NotFound``."""
    universe = get_universe(team_id=team_id, name=name)
    found = [
        {"symbol": line["symbol"], "dataset": universe.dataset, "timeframe": universe.timeframe}
        | item
        for line in coverage_of(universe=universe, team_id=team_id)
        for item in line["health"].get("findings", [])
    ]
    wanted = (
        item for item in found if kind in ("", item["kind"]) and state in ("", item["state"])
    )
    return sorted(wanted, key=lambda item: (-item["weight"], item["kind"], item["symbol"]))


def gap_map(*, team_id: int, name: str) -> GapMap:
    """Return the gap map of a universe: of the two hundred worst symbols when it has more.

    Raises
    ------
    NotFound
        ``universe.not_found``.
    """
    universe = get_universe(team_id=team_id, name=name)
    lines = [line for line in coverage_of(universe=universe, team_id=team_id) if line["first"]]
    shown = sorted(lines, key=lambda line: line["health"].get("score") or 0.0)[:MOST_ON_MAP]
    return lay_out_map(
        [_map_line(line) for line in sorted(shown, key=lambda line: str(line["symbol"]))],
        title=universe.title,
        timeframe=universe.timeframe,
        calendar=universe.calendar,
        left_out=len(lines) - len(shown),
    )


def _map_line(line: dict[str, Any]) -> MapLine:
    health = line["health"]
    marks = [
        (item["at"], item["kind"], f"{item['at'][:10]}: {item['note']}")
        for item in health.get("findings", [])
        if item["weight"] > 0
    ]
    return MapLine(
        symbol=line["symbol"],
        first=micros(line["first"]),
        last=micros(line["last"]),
        score=health.get("score") or 0.0,
        lost=health.get("lost", {}),
        marks=marks,
    )


def bars_around(
    *, team_id: int, symbol: str, at: datetime, dataset: str = "", timeframe: str = ""
) -> tuple[Panel, int]:
    """Return the raw bars on either side of a moment, and the row of the first bar from it on.

    Raises as ``find_series`` does.
    """
    row = find_series(team_id=team_id, symbol=symbol, dataset=dataset, timeframe=timeframe)
    # Weekends, holidays and gaps lie between bars: what is asked for is more than what is shown.
    reach = timedelta(seconds=max(seconds_of(row.timeframe) * SIDE_BARS * 4, 4 * 86_400))
    panel = read_panel(
        team_id=team_id,
        timeframe=row.timeframe,
        start=at - reach,
        end=at + reach,
        instruments=[symbol],
        price_mode="raw",
        dataset=row.instrument.dataset.name,
    )
    middle = int(np.searchsorted(panel.ts, micros(at)))
    low = max(middle - SIDE_BARS, 0)
    return panel.rows(low, min(middle + SIDE_BARS + 1, panel.n_bars)), middle - low


def around_dict(panel: Panel, marked: int) -> dict[str, Any]:
    """Return bars around a moment as clients see them."""
    names = ("open", "high", "low", "close", "volume")
    return {
        "symbol": panel.symbols[0],
        "timeframe": panel.timeframe,
        "bars": [
            {
                "ts": iso(int(panel.ts[i])),
                **{name: float(getattr(panel, name)[i, 0]) for name in names},
                "marked": i == marked,
            }
            for i in range(panel.n_bars)
        ],
    }


def list_checkups(*, team_id: int, name: str, limit: int = 100) -> list[dict[str, Any]]:
    """Return how the health of a universe went, the newest first. Raises ``NotFound``."""
    universe = get_universe(team_id=team_id, name=name)
    rows = Checkup.objects.filter(universe__name=universe.name)
    rows = (
        rows.filter(universe__team=None)
        if universe.shared
        else rows.filter(universe__team_id=team_id)
    )
    fields = ("at", "score", "coverage", "findings", "stale")
    return list(rows.values(*fields)[:limit])


def list_fallen(*, now: datetime) -> list[dict[str, Any]]:
    """Return the universes whose score fell by two points within a week, and the stale ones.

    For the lab itself: of every team.
    """
    since = now - FALL_WITHIN
    rows = Checkup.objects.filter(at__gte=since).select_related("universe").order_by("at", "id")
    by_name: dict[tuple[int | None, str], list[Checkup]] = {}
    for row in rows:
        by_name.setdefault((row.universe.team_id, row.universe.name), []).append(row)
    fallen = []
    for (team_id, name), history in sorted(by_name.items(), key=lambda item: item[0][1]):
        latest, best = history[-1], max(row.score for row in history)
        if best - latest.score >= FALL or latest.stale > min(row.stale for row in history):
            fallen.append(
                {
                    "team_id": team_id,
                    "name": name,
                    "score": latest.score,
                    "before": best,
                    "stale": latest.stale,
                }
            )
    return fallen


def newest_universes() -> list[Universe]:
    """Return every universe of every team in its newest version: for the lab itself."""
    rows = Universe.objects.order_by("team_id", "name", "-version")
    return list(rows.distinct("team_id", "name").select_related("dataset"))
