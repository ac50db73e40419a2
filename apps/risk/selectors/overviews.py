"""The page of a book's risk at a glance, and the parts that it fetches."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from apps.core.errors import Conflict, Invalid, LabError
from apps.core.plugs import list_plugs
from apps.risk.kernel.conventions import Terms
from apps.risk.models import RiskReport
from apps.risk.selectors import summaries
from apps.risk.selectors.books import PLUGS, get_holding, list_subjects
from apps.risk.selectors.breaches import list_breaches
from apps.risk.selectors.grades import FIRST
from apps.risk.selectors.samples import RUN, Sample, get_sample, positions_of
from apps.risk.selectors.teams import TEAM, TITLE, team_subject

SHOWN_PARTS = 12
SHOWN_STRESS = 6
SHOWN_LIMITS = 9
FIGURES = ("fan", "components", "exceptions")


def list_choices(*, team_id: int) -> list[tuple[str, str]]:
    """Return subject and title of what can be looked at: accounts, all of them, promoted runs."""
    found = list_subjects(team_id=team_id)
    accounts = [one for one in found if not one[0].startswith(RUN)]
    runs = [(subject, f"Run: {title}") for subject, title in found if subject.startswith(RUN)]
    together = [(team_subject(team_id), TITLE)] if len(accounts) > 1 and _nets() else []
    return [*accounts, *together, *runs]


def _nets() -> bool:
    return TEAM in list_plugs(PLUGS)


def overview_page(*, team_id: int, subject: str = "") -> dict[str, Any]:
    """Return what the page shows at once of the chosen book, else of the first with positions."""
    choices = list_choices(team_id=team_id)
    lives = {row.subject: row for row in RiskReport.objects.filter(team_id=team_id, is_live=True)}
    chosen = subject or _first(choices, lives)
    page: dict[str, Any] = {"choices": choices, "subject": chosen, "why_not": ""}
    if not chosen:
        why_not = "There is no book yet; an account becomes one with the first bar of its feed."
        return {**page, "why_not": why_not}
    live = lives.get(chosen)
    grade = summaries.newest_grade(team_id=team_id, subject=chosen)
    model = grade.in_force if grade else FIRST
    page |= {
        "live": live.body if live else {},
        "measured_at": live.created_at if live else None,
        "title": dict(choices).get(chosen, live.title if live else chosen),
        "is_run": chosen.startswith(RUN),
        "is_team": summaries.is_team(chosen),
        "grade": grade,
        "grades": summaries.grades_part(grade),
        "model": model,
        "limits_told": summaries.limits_part(team_id=team_id, subject=chosen, live=live),
        "stops": summaries.stops_part(team_id=team_id, subject=chosen),
    }
    page |= _glance(team_id, chosen, model)
    if page["sample"] is not None and chosen not in dict(choices):
        page["title"] = page["sample"].holding.title
        page["choices"] = [*choices, (chosen, page["title"])]
    return page


def _first(choices: list[tuple[str, str]], lives: dict[str, RiskReport]) -> str:
    """Return the first book that holds something, else the first."""
    holding = [s for s, _ in choices if s in lives and lives[s].body.get("positions")]
    return next(iter(holding), choices[0][0] if choices else "")


def _glance(team_id: int, subject: str, model: str) -> dict[str, Any]:
    """Return equity, exposure and the figures of the model in force, or why there are none."""
    try:
        sample = get_sample(team_id=team_id, subject=subject)
    except LabError as error:
        return {"why_not": error.message, "sample": None, "in_force": {}}
    found = summaries.measures_part(sample, methods=(model,))[0]
    return {
        "sample": sample,
        "equity": sample.holding.equity,
        "currency": sample.holding.currency or "USD",
        "as_of": sample.holding.as_of,
        "exposure": summaries.exposure_part(sample),
        "in_force": found,
        "tiles": _tiles(found, sample.holding.equity, sample.holding.currency or "USD"),
    }


def _tiles(found: dict[str, Any], equity: float, currency: str) -> list[dict[str, Any]]:
    """Return VaR and ES by level, in percent of equity and in money."""
    tiles = []
    for one in found["levels"]:
        name = f"{100 * one['level']:g} %"
        for kind in ("var", "es"):
            error = one[f"{kind}_error"]
            tiles.append(
                {
                    "label": f"{'VaR' if kind == 'var' else 'ES'} {name}",
                    "value": 100.0 * one[kind],
                    "note": _note(error, one[kind] * equity, currency),
                    "source": FORMULAS[kind].format(level=name),
                }
            )
    return tiles


def _note(error: float | None, money: float, currency: str) -> str:
    """Return a figure in money, with its standard error in percent."""
    about = f"{money:,.0f} {currency}".replace(",", "\u2009")
    return about if error is None else f"± {100.0 * error:.2f}, {about}"


FORMULAS = {
    "var": "The loss in one bar that is exceeded with probability 1 - {level}; losses positive.",
    "es": "The mean loss in one bar of the bars beyond the VaR at {level}; never below the VaR.",
}


def measures_page(*, team_id: int, subject: str, method: str = "") -> dict[str, Any]:
    """Return the table of methods that need no fit, or the row of one that does."""
    grade = summaries.newest_grade(team_id=team_id, subject=subject)
    asked = (method,) if method in summaries.FITTED else summaries.QUICK
    waiting = () if method in summaries.FITTED else summaries.FITTED
    try:
        sample = get_sample(team_id=team_id, subject=subject)
    except LabError as error:
        return {"why_not": error.message, "subject": subject}
    rows = summaries.measures_part(sample, methods=asked, grade=grade)
    return {
        "why_not": "",
        "subject": subject,
        "sample": sample,
        "rows": _in_money(rows, sample),
        "waiting": waiting,
        "currency": sample.holding.currency or "USD",
        "liquidity": None if method else _liquidity(team_id, sample),
        "terms": Terms(),
    }


def _liquidity(team_id: int, sample: Sample) -> dict[str, Any]:
    return summaries.liquidity_part(positions_of(team_id=team_id, sample=sample))


def _in_money(rows: list[dict[str, Any]], sample: Sample) -> list[dict[str, Any]]:
    equity = sample.holding.equity
    return [
        {
            **row,
            "levels": [
                {**one, "var_money": one["var"] * equity, "es_money": one["es"] * equity}
                for one in row["levels"]
            ],
        }
        for row in rows
    ]


def stress_summary(*, team_id: int, subject: str) -> dict[str, Any]:
    """Return the worst crises and scenarios of a book."""
    found = summaries.stress_part(team_id=team_id, subject=subject)
    told = [row for row in found["crises"] if "loss" in row]
    return {
        "subject": subject,
        "why_not": found["why_not"],
        "crises": told[:SHOWN_STRESS],
        "untold": len(found["crises"]) - len(told),
        "more": max(len(told) - SHOWN_STRESS, 0),
        "scenarios": found["scenarios"][:SHOWN_STRESS],
    }


def figure_of(*, team_id: int, subject: str, name: str, level: float = 0.99) -> dict[str, Any]:
    """Return what a figure draws of a book; ``why_not`` in words when there is nothing.

    Raises ``NotFound`` for a book that the team does not have.
    """
    grade = summaries.newest_grade(team_id=team_id, subject=subject)
    if name == "exceptions":
        if grade is None:
            get_holding(team_id=team_id, subject=subject)
        return summaries.exceptions_part(grade, level)
    try:
        sample = get_sample(team_id=team_id, subject=subject)
    except (Conflict, Invalid) as error:
        return {"why_not": error.message}
    model = grade.in_force if grade else FIRST
    if name == "fan":
        return {**summaries.fan_part(sample, model), "timeframe": sample.timeframe}
    held = positions_of(team_id=team_id, sample=sample)
    return summaries.components_part(held, model, level)


def breaches_page(*, team_id: int, subject: str, code: str = "") -> dict[str, Any]:
    """Return the refusals of a book, of one code if named, and how often each code came."""
    rows = list_breaches(team_id=team_id, subject="" if summaries.is_team(subject) else subject)
    counts = rows.order_by().values("code").annotate(count=Count("id")).order_by("-count", "code")
    return {
        "rows": rows.filter(code=code) if code else rows,
        "counts": list(counts),
        "subject": subject,
        "code": code,
    }
