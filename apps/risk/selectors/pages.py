"""What the pages of grades and stress show."""

from __future__ import annotations

from typing import Any

from apps.core.errors import LabError
from apps.risk.kernel.grades_bounds import bounds
from apps.risk.kernel.grades_power import CASES, TESTS, power_for
from apps.risk.models import GradeRun, Scenario
from apps.risk.selectors.books import list_subjects
from apps.risk.selectors.grades import grade_rows, newest_grades
from apps.risk.selectors.stress import factors_of, get_scenario, list_scenarios, stress_book

LOSS, CORRELATION, VOLATILITY = 0.2, 1.0, 1.0
SHOWN_COMPONENTS = 5


def grades_page(*, team_id: int, subject: str = "", model: str = "") -> dict[str, Any]:
    """Return the newest gradings, and one of them with every test and a model to draw."""
    rows = newest_grades(team_id=team_id)
    chosen = next((row for row in rows if row.subject == subject), rows[0] if rows else None)
    graded = {row.subject for row in rows}
    waiting = [pair for pair in list_subjects(team_id=team_id) if pair[0] not in graded]
    return {
        "grades": rows,
        "grade": chosen,
        "model_drawn": _drawn(chosen, model),
        "models": grade_rows(chosen) if chosen else [],
        "cases": {name: case.title for name, case in CASES.items()},
        "power": _power(chosen.days) if chosen else {},
        "waiting": waiting,
    }


def _drawn(chosen: GradeRun | None, model: str) -> str:
    """Return the model named, if it was graded, else the one in force."""
    if chosen is None:
        return ""
    found = chosen.body["models"].get(model)
    # What was graded on the positions' own days has no place among the book's.
    return model if found and not found.get("basis") else chosen.in_force


def _power(days: int) -> dict[str, Any]:
    """Return what each test sees in about so many days: a row for every case, by level."""
    found = power_for(days)
    levels = [
        (
            float(level),
            [
                (case.title, [found[level][test].get(name) for test in TESTS])
                for name, case in CASES.items()
            ],
            bounds(found["days"], float(level)),
        )
        for level in found
        if level not in {"days", "draws"}
    ]
    return {"days": found["days"], "draws": found["draws"], "tests": TESTS, "levels": levels}


def stress_page(
    *,
    team_id: int,
    subject: str = "",
    loss: float = LOSS,
    correlation: float = CORRELATION,
    volatility: float = VOLATILITY,
    scenario: int | None = None,
) -> dict[str, Any]:
    """Return every stress of a book, or why there is none, and the scenario being edited."""
    books = list_subjects(team_id=team_id)
    chosen = subject or (books[0][0] if books else "")
    page: dict[str, Any] = {
        "books": books,
        "subject": chosen,
        "loss_percent": round(100.0 * loss, 6),
        "correlation": correlation,
        "volatility": volatility,
        "edited": _edited(scenario, team_id),
        "why_not": "" if chosen else "There is no book yet; open an account first.",
    }
    if not chosen:
        return {**page, "kept": list_scenarios(team_id=team_id)}
    try:
        found = stress_book(
            team_id=team_id,
            subject=chosen,
            loss=loss,
            correlation=correlation,
            volatility=volatility,
        )
        if chosen not in dict(books):
            page["books"] = [*books, (chosen, found["title"])]
        page |= {"stress": found, "exposed": _exposed(team_id, chosen), "moved": _moved(found)}
    except LabError as error:
        page["why_not"] = error.message
    return {**page, "kept": list_scenarios(team_id=team_id)}


def _edited(scenario: int | None, team_id: int) -> Scenario | None:
    return get_scenario(scenario, team_id) if scenario else None


def _exposed(team_id: int, subject: str) -> dict[str, Any]:
    found = factors_of(team_id=team_id, subject=subject)
    factors, parts = found["factors"], found["components"]
    rows = [
        {"name": name, **row, **factors["attribution"][name]}
        for name, row in factors.get("betas", {}).items()
    ]
    shares = zip(parts.get("explained", []), parts.get("book", []), strict=True)
    components = [
        {"number": i + 1, "explained": explained, "book": held}
        for i, (explained, held) in enumerate(list(shares)[:SHOWN_COMPONENTS])
    ]
    return {"factors": factors, "rows": rows, "parts": parts, "components": components}


def _moved(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the smallest shock by instrument, the largest part of the loss first."""
    shocks, weights = found["reverse"].get("shocks", {}), found["weights"]
    rows = [
        {"symbol": symbol, **shock, "loss": -weights[symbol] * shock["return"]}
        for symbol, shock in shocks.items()
    ]
    return sorted(rows, key=lambda row: -abs(row["loss"]))
