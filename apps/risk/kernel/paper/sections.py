"""The parts of the report, in the order they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.risk.kernel.paper import drawings
from apps.risk.kernel.paper.setting import Setter
from apps.risk.kernel.paper.words import DASH, moment, number, percent, spelled

Body = Mapping[str, Any]
FAN_HEIGHT, EXCEPTIONS_HEIGHT = 132.0, 112.0
CONVENTIONS = (
    "Losses are positive, figures shares of equity, of one bar unless told otherwise. VaR at "
    "95 % is the loss exceeded with probability 5 %, ES the mean of the losses from there on. "
    "Quantiles by linear interpolation (type 7), ES the mean at or below it, population moments, "
    "EWMA decay 0.94. ± is a standard error. Component VaR and ES are weight times slope (Euler) "
    "and sum to the book's. Stresses keep quantities; covered is the share of the gross book with "
    "prices of those days. A model is green, yellow or red by exact tests of its exceptions and "
    "shortfalls."
)


def sections_of(body: Body, team: str, setter: Setter) -> list[Any]:
    """Return what stands on the pages, from top to bottom."""
    return [
        *_cover(body, team, setter),
        *_figures(body, setter),
        *_charts(body, setter),
        *_components(body, setter),
        *_stress(body["stress"], setter),
        *_limits(body, setter),
        *_grades(body["grades"], setter),
        *_breaches(body["breaches"], setter),
        setter.head("Conventions"),
        setter.words(CONVENTIONS, "small"),
    ]


def _cover(body: Body, team: str, setter: Setter) -> list[Any]:
    sample, grades, exposure = body["sample"], body["grades"], body["exposure"]
    colour = grades["colour"] or "not graded"
    span = f"{sample['first'][:10]} to {sample['last'][:10]}"
    facts = [
        ("Team", team),
        ("Book", f"{body['title']} ({body['subject']})"),
        ("As of", moment(body["as_of"])),
        ("Equity", f"{number(body['equity'])} {body['currency']}"),
        ("Exposure", _exposed(exposure)),
        ("Model in force", f"{spelled(grades['in_force'])}, {colour}"),
        ("Measured on", f"{sample['how']}: {sample['observations']} returns, {span}"),
        ("Digest of inputs", body["digest"]),
    ]  # fmt: skip
    rows = [[name, value] for name, value in facts]
    return [
        setter.words(f"Risk of {body['title']}", "title"),
        setter.space(4),
        setter.table(["", ""], rows, [1, 4.6]),
        *([setter.words(" ".join(sample["notes"]), "small")] if sample["notes"] else []),
    ]


def _exposed(found: Body) -> str:
    words = f"{percent(found['gross'])} gross, {percent(found['net'])} net"
    return f"{words}, {found['positions']} positions"


def _figures(body: Body, setter: Setter) -> list[Any]:
    rows: list[list[Any]] = []
    bold: list[int] = []
    notes: list[str] = []
    for at, found in enumerate(body["measures"]):
        mark = ""
        if found["notes"] and not found["why_not"]:
            notes.append(f"{len(notes) + 1}) {' '.join(found['notes'])}")
            mark = f" {len(notes)})"
        if found["in_force"]:
            bold.append(at)
        cells = [cell for one in found["levels"] for cell in _measure(one)] or [DASH] * 8
        if found["why_not"]:
            notes.append(f"{spelled(found['method'])}: {found['why_not']}")
        name = spelled(found["method"]) + mark + (" (in force)" if found["in_force"] else "")
        rows.append([name, drawings.light(found["colour"]), *cells])
    heads = ["Model", "Grade", *(f"{k} {level}" if k != "±" else k
             for level in ("95 %", "99 %") for k in ("VaR", "±", "ES", "±"))]  # fmt: skip
    return [
        setter.head("VaR and ES of one bar, by every model"),
        setter.table(heads, rows, [2.5, 1.2, *([1] * 8)], right=range(2, 10), bold=bold),
        setter.space(3),
        *(setter.words(note, "small") for note in notes),
        *_liquidity(body["liquidity"], setter),
    ]


def _measure(one: Body) -> list[str]:
    return [percent(one[name]) for name in ("var", "var_error", "es", "es_error")]


def _liquidity(found: Body, setter: Setter) -> list[Any]:
    if found["why_not"]:
        return [setter.words(f"Liquidity: {found['why_not']}", "small")]
    slowest = f"{found['periods']} bar{'' if found['periods'] == 1 else 's'}"
    words = (
        f"Liquidity: sold at {percent(found['participation'], 0)} of the volume, the book is left "
        f"within {slowest}; normal VaR {percent(found['adjusted_var'])} and ES "
        f"{percent(found['adjusted_es'])} at 99 % while it is sold. {' '.join(found['notes'])}"
    )
    return [setter.words(words, "small")]


def _charts(body: Body, setter: Setter) -> list[Any]:
    fan, seen = body["fan"], body["exceptions"]
    ahead = [setter.head(f"Ahead: VaR over the next bars by {spelled(fan['method'])}")]
    if fan["why_not"]:
        ahead.append(setter.words(fan["why_not"]))
    else:
        ahead.append(drawings.horizons(fan, setter.width, FAN_HEIGHT))
    behind = [setter.head("Behind: returns, the VaR told for them, and the exceptions")]
    if not seen["ts"]:
        behind.append(setter.words(seen["why_not"]))
    else:
        pairs = zip(seen["returns"], seen["var"], strict=True)
        beyond = sum(-made > told for made, told in pairs)
        expected = (1.0 - seen["level"]) * len(seen["ts"])
        times = f"{beyond} exception{'' if beyond == 1 else 's'}"
        words = (
            f"{times} in {len(seen['ts'])} bars at {percent(seen['level'], 0)}, "
            f"{number(expected, 1)} expected; by {spelled(seen['model'])}."
        )
        chart = drawings.exceptions(seen, setter.width, EXCEPTIONS_HEIGHT)
        behind += [setter.words(words), chart]
    return [setter.whole(ahead), setter.whole(behind)]


def _components(body: Body, setter: Setter) -> list[Any]:
    found = body["components"]
    head = setter.head(
        f"By position, at {percent(found['level'], 0)} by {spelled(found['method'])}"
    )
    if found["why_not"]:
        return [setter.whole([head, setter.words(found["why_not"])])]
    rows = [
        [
            row["name"],
            *(percent(row[name]) for name in ("weight", "component_var", "component_es")),
            *(percent(row[name]) for name in ("alone_es", "incremental_es")),
        ]
        for row in drawings.shown_parts(found["positions"])
    ]
    rows.append(["Sum", "", percent(found["sum_var"]), percent(found["sum_es"]), "", ""])
    heads = ["Position", "Weight", "Part of VaR", "Part of ES", "ES alone", "ES saved if closed"]
    said = (
        f"The parts sum to the book's VaR {percent(found['var'])} (blue) and ES "
        f"{percent(found['es'])} (red). A negative part takes risk away."
    )
    table = setter.table(
        heads, rows, [2, 1, 1, 1, 1, 1.3], right=range(1, 6), bold=[len(rows) - 1]
    )
    chart = drawings.components(found, setter.width)
    return [setter.whole([head, setter.words(said), chart]), table]


def _stress(found: Body, setter: Setter) -> list[Any]:
    head = setter.head("Stress: what the book as it stands would lose")
    if found["why_not"]:
        return [setter.whole([head, setter.words(found["why_not"])])]
    told = [row for row in found["crises"] if "loss" in row]
    crises = [
        [row["title"], f"{row['start']} to {row['end']}", *(percent(row[name], 1) for name in
         ("loss", "drawdown", "worst_day")), percent(row["covered"], 0)] for row in told
    ]  # fmt: skip
    heads = ["Crisis", "Days", "Loss", "Drawdown", "Worst day", "Covered"]
    parts: list[Any] = [head]
    if crises:
        parts.append(setter.table(heads, crises, [2.2, 2, 1, 1, 1, 1], right=range(2, 6)))
    left = len(found["crises"]) - len(told)
    if left:
        parts.append(
            setter.words(f"Crises left out: {left} without prices of those days.", "small")
        )
    scenarios = [
        [f"{row['title']}, version {row['version']}", percent(row["loss"], 1),
         percent(row["covered"], 0)] for row in found["scenarios"]
    ]  # fmt: skip
    if scenarios:
        heads = ["Scenario", "Loss", "Covered"]
        parts.append(setter.table(heads, scenarios, [4, 1, 1], right=(1, 2)))
    else:
        parts.append(setter.words("No scenario of the team is kept.", "small"))
    return [setter.whole(parts)]


def _limits(body: Body, setter: Setter) -> list[Any]:
    found, stops = body["limits"], body["stops"]
    parts: list[Any] = [setter.head(f"Limits in use: set of {found['set_for']}")]
    rows = [
        [row["label"], *_amounts(row), drawings.used_bar(row["ratio"]),
         percent(row["ratio"], 0)] for row in found["rows"]
    ]  # fmt: skip
    if rows:
        heads = ["Limit", "Used", "Allowed", "", "Share used"]
        parts.append(setter.table(heads, rows, [3, 1.2, 1.2, 1.5, 1], right=(1, 2, 4)))
    else:
        parts.append(setter.words("Nothing is measured of the limits of this book."))
    for stop in stops:
        words = (
            f"Emergency stop of {stop['scope']}: {stop['state']}; {percent(stop['drawdown'], 1)} "
            f"below the peak (trips at {percent(stop['drawdown_limit'], 0)}), "
            f"{percent(stop['daily_loss'], 1)} lost today (at "
            f"{percent(stop['daily_loss_limit'], 0)}). {stop['cause']}"
        )
        parts.append(setter.words(words, "small"))
    return [setter.whole(parts)]


def _amounts(row: Body) -> list[str]:
    return [number(row[name], row["places"]) for name in ("used", "allowed")]


def _grades(found: Body, setter: Setter) -> list[Any]:
    head = setter.head("Model grades")
    if not found["models"]:
        return [setter.whole([head, setter.words("No model was graded on this book yet.")])]
    rows = [
        [spelled(row["model"]) + (" (in force)" if row["in_force"] else ""),
         drawings.light(row["colour"]), *_levels(row["levels"])] for row in found["models"]
    ]  # fmt: skip
    heads = ["Model", "Grade", "95 %: exceptions", "expected", "Basel",
             "99 %: exceptions", "expected", "Basel"]  # fmt: skip
    said = f"{found['days']} bars until {moment(found['until'])}. {found['reason']}"
    table = setter.table(heads, rows, [2.2, 1.2, 1.4, 1, 1.1, 1.4, 1, 1.1], right=(2, 3, 5, 6))
    return [setter.whole([head, setter.words(said, "small"), table])]


def _levels(levels: Sequence[Body]) -> list[Any]:
    told = [
        cell
        for one in levels
        for cell in (str(one["exceptions"]), number(one["expected"], 1), spelled(one["zone"]))
    ]
    return told or [DASH] * 6


def _breaches(found: Body, setter: Setter) -> list[Any]:
    head = setter.head("Refused and breached")
    if not found["rows"]:
        return [setter.whole([head, setter.words("Nothing was refused.")])]
    often = ", ".join(f"{row['code']} {row['count']}" for row in found["counts"])
    rows = [[moment(row["at"]), row["code"], row["message"]] for row in found["rows"]]
    table = setter.table(["When", "Code", "Why"], rows, [1.3, 1.4, 4])
    return [head, setter.words(f"How often: {often}. The newest:", "small"), table]
