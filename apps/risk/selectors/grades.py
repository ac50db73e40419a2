"""Reads of grades: how the models did, which is in force, what a test could have seen."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.risk.kernel.grades import WORDS
from apps.risk.kernel.grades_power import power_for
from apps.risk.models import GradeRun

FIRST = "historical"
# The columns of the page, by test.
SHORT = {
    "kupiec": "Kupiec",
    "independence": "independence",
    "conditional_coverage": "coverage",
    "z1": "Z1",
    "z2": "Z2",
    "esr": "ES regression",
}


def list_grades(*, team_id: int, subject: str = "") -> QuerySet[GradeRun]:
    """Return every grading, newest first, of one book if named."""
    rows = GradeRun.objects.filter(team_id=team_id)
    return (rows.filter(subject=subject) if subject else rows).order_by("-created_at", "-id")


def newest_grades(*, team_id: int) -> list[GradeRun]:
    """Return the newest grading of every book, by title, without its series."""
    rows = GradeRun.objects.filter(team_id=team_id).order_by("subject", "-id").distinct("subject")
    return sorted(rows.defer("series"), key=lambda row: (row.title, row.pk))


def get_grade(grade_id: int, team_id: int) -> GradeRun:
    """Return a grading of the team. Raises ``NotFound``, also for another team's."""
    row = GradeRun.objects.filter(pk=grade_id, team_id=team_id).first()
    if row is None:
        message = f"There is no grade {grade_id}; see GET /api/v1/risk/grades."
        raise NotFound(message, code="risk.grade")
    return row


def model_in_force(*, team_id: int, subject: str) -> str:
    """Return the model whose figures count for a book: the first one until it was graded."""
    rows = GradeRun.objects.filter(team_id=team_id, subject=subject)
    name = rows.order_by("-id").values_list("in_force", flat=True).first()
    return name or FIRST


def grade_as_dict(row: GradeRun) -> dict[str, Any]:
    """Return a grading as clients see it, with the power of each test."""
    return {
        "id": row.pk,
        "subject": row.subject,
        "title": row.title,
        "until": row.until,
        "days": row.days,
        "window": row.window,
        "colour": row.colour,
        "in_force": row.in_force,
        "before": row.before,
        "reason": row.reason,
        "created_at": row.created_at,
        "models": row.body["models"],
        "power": power_for(row.days),
    }


def fan_of(row: GradeRun, *, model: str, level: float) -> dict[str, Any]:
    """Return what the chart draws: the model in force if none is named.

    Raises ``NotFound`` for a model or level that was not told.
    """
    name = model or row.in_force
    if not row.series:
        return {"title": row.title, "model": name, "level": level, "ts": []}
    told = row.series["models"].get(name, {}).get(f"{level:g}")
    if told is None:
        known = ", ".join(row.series["models"])
        message = f"{name} told nothing at {level:g}; there are {known} at 0.95 and 0.99."
        raise NotFound(message, code="risk.grade.model")
    return {
        "title": row.title,
        "model": name,
        "level": level,
        "ts": row.series["ts"],
        "returns": row.series["returns"],
        **told,
    }


def grade_rows(row: GradeRun) -> list[dict[str, Any]]:
    """Return what the page shows: a row for every model and level, the best colour first."""
    order = {"green": 0, "yellow": 1, "red": 2, "ungraded": 3}
    models = sorted(
        row.body["models"].items(),
        key=lambda item: (order[item[1]["colour"]], item[1]["score"] or 0.0),
    )
    power = power_for(row.days)
    return [
        {
            "model": name,
            "colour": found["colour"],
            "score": found["score"],
            "why_not": found["why_not"],
            "basis": found.get("basis", ""),
            "in_force": name == row.in_force,
            "levels": [_level(level, power) for level in found["levels"]],
        }
        for name, found in models
    ]


def _level(level: dict[str, Any], power: dict[str, Any]) -> dict[str, Any]:
    """Return a level's row; its tests in the order of the columns, which JSON does not keep."""
    told = power.get(f"{level['level']:g}", {})
    cells = [
        {
            "name": name,
            "words": WORDS[name],
            "p_value": level["tests"][name]["p_value"],
            "statistic": level["tests"][name]["statistic"],
            "power": told.get(name, {}),
        }
        for name in WORDS
        if name in level["tests"]
    ]
    spoke = [
        short
        for name, short in SHORT.items()
        if any(reason.startswith(WORDS[name]) for reason in level["reasons"])
    ]
    return {
        **level,
        "cells": cells,
        "spoke": spoke,
        "lacks_regression": "esr" not in level["tests"],
    }
