"""The risk of one book, part by part: what the page, REST, the PDF and the mail tell alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Max

from apps.core.errors import LabError
from apps.core.kernel.hashing import digest_json
from apps.risk.kernel.components import METHODS as COMPONENT_METHODS
from apps.risk.kernel.components import components
from apps.risk.kernel.conventions import Terms
from apps.risk.kernel.fans import fan_ahead
from apps.risk.kernel.liquidity import liquidity_adjusted
from apps.risk.kernel.measures import METHODS, WORDS, measure_book, terms_of
from apps.risk.kernel.policies import WHOLE
from apps.risk.models import Breach, GradeRun, LimitSet, RiskReport
from apps.risk.selectors.breaches import list_breaches
from apps.risk.selectors.grades import FIRST, fan_of
from apps.risk.selectors.limits import STRATEGY, get_limits
from apps.risk.selectors.reports import LIMIT_WORDS
from apps.risk.selectors.samples import RUN, Sample, moment, positions_of
from apps.risk.selectors.stops import list_stops, stop_json
from apps.risk.selectors.stress import stress_book
from apps.risk.selectors.teams import TEAM, team_subject

LEVELS = (0.95, 0.99)
# Fits take a moment; what is computed at once stands on the page before they do.
FITTED = ("student", "garch", "fhs_garch", "monte_carlo")
QUICK = tuple(name for name in METHODS if name not in FITTED)
KEEP_SECONDS = 3600
PARTICIPATION = 0.1
STANDS_IN = {"monte_carlo": "student"}
SHOWN_BREACHES = 20
NOT_GRADED = "No model was graded on this book; accounts are, every night and on request."
LIQUIDITY_NOTE = "Spreads are not known here: half of them is not counted."


def measures_part(
    sample: Sample, *, methods: Sequence[str] = tuple(METHODS), grade: GradeRun | None = None
) -> list[dict[str, Any]]:
    """Return VaR and ES by method, a row for each with both levels, the model in force first."""
    in_force = grade.in_force if grade else FIRST
    graded = grade.body["models"] if grade else {}
    rows = []
    for name in sorted(methods, key=lambda name: (name != in_force, list(METHODS).index(name))):
        found = _kept(sample, f"measure:{name}", partial(_measured, sample, name))
        colour = graded.get(name, {}).get("colour", "")
        rows.append({**found, "in_force": name == in_force, "colour": colour})
    return rows


def _measured(sample: Sample, method: str) -> dict[str, Any]:
    about = {"method": method, "words": WORDS[method], "levels": [], "notes": [], "why_not": ""}
    try:
        found = [
            measure_book(sample.columns, sample.weights, method, terms_of(level=level)).as_dict()
            for level in LEVELS
        ]
    except LabError as error:
        return {**about, "why_not": error.message}
    notes = dict.fromkeys(note for one in found for note in one["notes"])
    kept = ("level", "var", "es", "var_error", "es_error", "errors", "observations", "missing")
    levels = [{name: one[name] for name in kept} for one in found]
    return {**about, "levels": levels, "notes": list(notes)}


def _kept(sample: Sample, what: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what was computed for the very same returns and weights, else compute it."""
    key = f"risk:{what}:{sample.digest}"
    found = cache.get(key)
    if found is None:
        found = work()
        cache.set(key, found, KEEP_SECONDS)
    return dict(found)


def fan_part(sample: Sample, method: str) -> dict[str, Any]:
    """Return VaR by level over the periods to come, by a model, or why there is none.

    Simulating every horizon takes too long: the Student t law stands in for Monte Carlo.
    """
    used = STANDS_IN.get(method, method)
    return _kept(sample, f"fan:{used}", lambda: _fan(sample, used))


def _fan(sample: Sample, method: str) -> dict[str, Any]:
    try:
        found = fan_ahead(sample.returns, method)
    except LabError as error:
        return {"method": method, "horizons": [], "lines": [], "why_not": error.message}
    lines = [{"level": level, "var": found.var[level]} for level in found.levels]
    return {"method": method, "horizons": list(found.horizons), "lines": lines, "why_not": ""}


def components_part(sample: Sample, method: str, level: float = 0.99) -> dict[str, Any]:
    """Return what each position adds to VaR and ES, the largest first, and their sums."""
    used = method if method in COMPONENT_METHODS else FIRST
    about = {"method": used, "level": level, "positions": []}
    if sample.is_run:
        return {**about, "why_not": "Nothing the run held at its end has a past to measure."}
    try:
        found = components(sample.block, sample.shares, used, terms_of(level=level))
    except LabError as error:
        return {**about, "why_not": error.message}
    rows = found.as_rows(tuple(sample.weights), sample.shares)
    return {
        **about,
        "why_not": "",
        "positions": sorted(rows, key=lambda row: (-row["component_es"], row["name"])),
        "var": found.var,
        "es": found.es,
        "sum_var": float(np.sum(found.component_var)),
        "sum_es": float(np.sum(found.component_es)),
        "notes": list(found.notes),
    }


def liquidity_part(sample: Sample, level: float = 0.99) -> dict[str, Any]:
    """Return VaR and ES while positions are sold at a tenth of the volume, where volumes exist."""
    lacking = [name for name in sample.weights if name not in sample.traded]
    about = {"level": level, "participation": PARTICIPATION}
    if sample.is_run or lacking:
        which = ", ".join(lacking[:5]) if not sample.is_run else "what the run held at its end"
        return {**about, "why_not": f"No volumes of {which}."}
    volumes = np.array([sample.traded[name] for name in sample.weights])
    try:
        found = liquidity_adjusted(
            sample.block,
            sample.shares,
            Terms(level=level),
            spreads=np.zeros(len(volumes)),
            volumes=volumes,
            equity=sample.holding.equity,
            participation=PARTICIPATION,
        )
    except LabError as error:
        return {**about, "why_not": error.message}
    told = {**asdict(found), "periods": int(found.periods.max())}
    return {**about, **told, "notes": [*found.notes, LIQUIDITY_NOTE], "why_not": ""}


def exceptions_part(grade: GradeRun | None, level: float = 0.99) -> dict[str, Any]:
    """Return the graded days with the VaR told for them by the model in force."""
    if grade is None:
        return {"ts": [], "why_not": NOT_GRADED}
    if not grade.series:
        return {"ts": [], "why_not": "The days are kept with the newest grading of a book only."}
    return {**fan_of(grade, model="", level=level), "why_not": ""}


def grades_part(grade: GradeRun | None) -> dict[str, Any]:
    """Return each model's colour with its exceptions, and who is in force since when."""
    if grade is None:
        return {"models": [], "in_force": FIRST, "colour": "", "reason": "", "days": 0}
    models = [
        {
            "model": name,
            "colour": found["colour"],
            "in_force": name == grade.in_force,
            "why_not": found["why_not"],
            "levels": [
                {k: one[k] for k in ("level", "exceptions", "expected", "zone")}
                for one in found["levels"]
            ],
        }
        for name, found in sorted(grade.body["models"].items())
    ]
    return {
        "models": models,
        "in_force": grade.in_force,
        "colour": grade.colour,
        "reason": grade.reason,
        "days": grade.days,
        "until": grade.until.isoformat(),
    }


def newest_grade(*, team_id: int, subject: str) -> GradeRun | None:
    """Return the newest grading of a book, if it was graded."""
    return GradeRun.objects.filter(team_id=team_id, subject=subject).order_by("-id").first()


def stress_part(*, team_id: int, subject: str) -> dict[str, Any]:
    """Return the crises and scenarios, the worst first, or why the book can't be stressed."""
    try:
        found = stress_book(team_id=team_id, subject=subject)
    except LabError as error:
        return {"crises": [], "scenarios": [], "why_not": error.message}
    kept = ("name", "title", "start", "end", "loss", "covered", "drawdown", "worst_day", "why_not")
    crises = [{k: one[k] for k in kept if k in one} for one in found["crises"]]
    told = ("name", "title", "version", "loss", "covered", "why_not")
    scenarios = [{k: one[k] for k in told if k in one} for one in found["scenarios"]]
    return {"crises": _worst(crises), "scenarios": _worst(scenarios), "why_not": ""}


def _worst(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the largest loss first; those that can't be told come last."""
    return sorted(rows, key=lambda row: ("loss" not in row, -row.get("loss", 0.0)))


def limits_part(*, team_id: int, subject: str, live: RiskReport | None) -> dict[str, Any]:
    """Return what is used of each limit of size, and the set that holds, with its origin."""
    view = get_limits(team_id=team_id, subject=subject if _has_limits(subject) else "")
    used = live.body.get("utilisation", []) if live else []
    rows = [
        {
            **row,
            "label": LIMIT_WORDS.get(row["limit"], row["limit"]),
            "places": 0 if row["limit"] in WHOLE else 2,
        }
        for row in used
        if row["allowed"] is not None
    ]
    sets = LimitSet.objects.filter(team_id=team_id, subject__startswith=STRATEGY)
    newest = sets.order_by("subject", "-version").distinct("subject")
    return {
        "rows": sorted(rows, key=lambda row: -(row["ratio"] or 0.0)),
        "off": [
            LIMIT_WORDS.get(row["limit"], row["limit"]) for row in used if row["allowed"] is None
        ],
        "set_for": _words_of_set(view.set_for, view.version),
        "version": view.version,
        "reason": view.reason,
        "by": view.created_by,
        "strategies": [f"{one.subject} version {one.version}" for one in newest],
    }


def _has_limits(subject: str) -> bool:
    return subject.startswith("account:")


def is_team(subject: str) -> bool:
    """Tell whether a subject is all accounts of a team together."""
    return subject.startswith(f"{TEAM}:")


def _words_of_set(set_for: str, version: int) -> str:
    if not version:
        return "the lab's defaults"
    return f"{set_for or 'the team'}, version {version}"


def stops_part(*, team_id: int, subject: str) -> list[dict[str, Any]]:
    """Return the emergency stops of a book and of its team; of the team's book all of them."""
    kept = ("scope", "state", "blocks", "cause", "drawdown", "daily_loss", "drawdown_limit")
    more = ("daily_loss_limit", "used")
    if subject.startswith(RUN):
        return []
    team = team_subject(team_id)
    rows = [stop_json(row) for row in list_stops(team_id=team_id)]
    mine = [row for row in rows if subject == team or row["scope"] in (subject, team)]
    return [{k: row[k] for k in (*kept, *more)} for row in mine]


def breaches_part(*, team_id: int, subject: str, until: datetime | None = None) -> dict[str, Any]:
    """Return the newest refusals of a book, and how often each code came."""
    rows = list_breaches(team_id=team_id, subject="" if is_team(subject) else subject)
    if until is not None:
        rows = rows.filter(created_at__lte=until)
    counts = rows.order_by().values("code").annotate(count=Count("id"), last=Max("created_at"))
    return {
        "counts": [
            {"code": row["code"], "count": row["count"], "last": row["last"].isoformat()}
            for row in counts.order_by("-count", "code")
        ],
        "rows": [_breach(row) for row in rows[:SHOWN_BREACHES]],
    }


def _breach(row: Breach) -> dict[str, Any]:
    at = row.created_at.isoformat()
    return {"at": at, "subject": row.subject, "code": row.code, "message": row.message}


def exposure_part(sample: Sample) -> dict[str, Any]:
    """Return gross and net exposure as shares of equity, and how many positions make them."""
    weights = [] if sample.is_run else list(sample.weights.values())
    gross = float(sum(map(abs, weights)))
    return {"gross": gross, "net": float(sum(weights)), "positions": len(weights)}


def book_summary(*, team_id: int, sample: Sample, until: datetime) -> dict[str, Any]:
    """Return the whole risk of a book as plain JSON, with the digest of it under ``digest``.

    The same positions, prices, limits, grades and refusals up to ``until`` make the same digest.
    """
    subject, holding = sample.holding.subject, sample.holding
    grade = newest_grade(team_id=team_id, subject=subject)
    held = positions_of(team_id=team_id, sample=sample)
    live = RiskReport.objects.filter(team_id=team_id, subject=subject, is_live=True).first()
    grades = grades_part(grade)
    as_of = holding.as_of or moment(sample.ts[-1])
    body = {
        "subject": subject,
        "title": holding.title,
        "as_of": as_of.isoformat(),
        "equity": holding.equity,
        "currency": holding.currency or "USD",
        "timeframe": sample.timeframe,
        "sample": _sample_told(sample),
        "exposure": exposure_part(held),
        "measures": measures_part(sample, grade=grade),
        "fan": fan_part(sample, grades["in_force"]),
        "exceptions": exceptions_part(grade),
        "components": components_part(held, grades["in_force"]),
        "liquidity": liquidity_part(held),
        "stress": stress_part(team_id=team_id, subject=subject),
        "limits": limits_part(team_id=team_id, subject=subject, live=live),
        "stops": stops_part(team_id=team_id, subject=subject),
        "breaches": breaches_part(team_id=team_id, subject=subject, until=until),
        "grades": grades,
    }
    plain = _plain(body)
    return {**plain, "digest": digest_json(plain)}


def _sample_told(sample: Sample) -> dict[str, Any]:
    return {
        "how": sample.how,
        "observations": len(sample.ts),
        "first": moment(sample.ts[0]).isoformat(),
        "last": moment(sample.ts[-1]).isoformat(),
        "notes": list(sample.notes),
        "returns_digest": sample.digest,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: no NaN, no numpy."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
