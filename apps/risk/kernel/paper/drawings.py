"""Charts on paper: vectors in points, drawn without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apps.risk.kernel.paper.words import percent, spelled

INK, MUTED, LINE = "#16181d", "#6a6d76", "#d9dbe0"
ACCENT, DOWN, AMBER, GREEN = "#2f5fd0", "#c23a24", "#a86d00", "#12795a"
SHADES = (DOWN, AMBER, ACCENT, MUTED)
LIGHTS = {"green": GREEN, "yellow": AMBER, "red": DOWN}
FACE, SMALL = "Inter", 6.5
LEFT, BOTTOM, TOP, RIGHT = 34.0, 22.0, 8.0, 6.0
MOST_BARS = 15


class Plot:
    """A frame with axes; values are laid on it by ``x`` and ``y``."""

    def __init__(
        self, width: float, height: float, xs: tuple[float, float], ys: tuple[float, float]
    ) -> None:
        from reportlab.graphics.shapes import Drawing

        self.drawing = Drawing(width, height)
        self.width, self.height, self.xs, self.ys = width, height, xs, ys

    def x(self, value: float) -> float:
        """Return where a value stands from the left."""
        low, high = self.xs
        return LEFT + (value - low) / ((high - low) or 1.0) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value stands from below."""
        low, high = self.ys
        return BOTTOM + (value - low) / ((high - low) or 1.0) * (self.height - BOTTOM - TOP)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, wide: float) -> None:
        """Draw a straight line between points of the page."""
        from reportlab.graphics.shapes import Line
        from reportlab.lib.colors import HexColor

        self.drawing.add(Line(x1, y1, x2, y2, strokeColor=HexColor(colour), strokeWidth=wide))

    def path(
        self, points: Sequence[tuple[float, float]], colour: str, wide: float, dash: Any = None
    ) -> None:
        """Draw a line through values."""
        from reportlab.graphics.shapes import PolyLine
        from reportlab.lib.colors import HexColor

        flat = [at for x, y in points for at in (self.x(x), self.y(y))]
        self.drawing.add(
            PolyLine(flat, strokeColor=HexColor(colour), strokeWidth=wide, strokeDashArray=dash)
        )

    def text(self, x: float, y: float, words: str, colour: str = MUTED, at: str = "start") -> None:
        """Write words at a point of the page."""
        from reportlab.graphics.shapes import String
        from reportlab.lib.colors import HexColor

        self.drawing.add(
            String(
                x,
                y,
                words,
                fontName=FACE,
                fontSize=SMALL,
                fillColor=HexColor(colour),
                textAnchor=at,
            )
        )

    def box(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Fill a box of the page."""
        from reportlab.graphics.shapes import Rect
        from reportlab.lib.colors import HexColor

        self.drawing.add(
            Rect(x, y, wide, high, fillColor=HexColor(colour), strokeColor=None, strokeWidth=0)
        )

    def rows(self, places: int = 1) -> None:
        """Draw the lines and percentages of the axis on the left."""
        for value in steps(*self.ys):
            colour, wide = (MUTED, 0.6) if value == 0.0 else (LINE, 0.4)
            at = self.y(value)
            self.line(LEFT, at, self.width - RIGHT, at, colour, wide)
            self.text(LEFT - 3, at - 2, percent(value, places), at="end")


def steps(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values between two, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if size * one >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _places(low: float, high: float) -> int:
    return 2 if high - low < 0.02 else 1


def horizons(found: Mapping[str, Any], width: float, height: float) -> Any:
    """Draw VaR by level over the bars ahead."""
    lines = sorted(found["lines"], key=lambda line: -line["level"])
    ends = [-value for line in lines for value in line["var"]] + [0.0]
    ahead = found["horizons"]
    plot = Plot(width, height, (ahead[0], ahead[-1] + 3.0), (min(ends), max(ends)))
    plot.rows(_places(*plot.ys))
    for bar in (1, 5, 10, 15, 20):
        plot.text(plot.x(bar), BOTTOM - 10, str(bar), at="middle")
    plot.text(plot.x((ahead[0] + ahead[-1]) / 2), 2, "bars ahead", at="middle")
    for i, line in enumerate(lines):
        colour = SHADES[i % len(SHADES)]
        plot.path([(h, -v) for h, v in zip(ahead, line["var"], strict=True)], colour, 1.1)
        label = f"{100 * line['level']:g}\u00a0%"
        plot.text(plot.x(ahead[-1]) + 3, plot.y(-line["var"][-1]) - 2, label, colour)
    return plot.drawing


def exceptions(found: Mapping[str, Any], width: float, height: float) -> Any:
    """Draw returns with the VaR told for them, and mark the exceptions."""
    from reportlab.graphics.shapes import Circle
    from reportlab.lib.colors import HexColor

    returns, var = found["returns"], found["var"]
    low = min([*returns, *(-value for value in var)])
    plot = Plot(width, height, (0, len(returns) - 1), (low, max(*returns, 0.0)))
    plot.rows(_places(*plot.ys))
    for i, value in enumerate(returns):
        if -value > var[i]:
            plot.drawing.add(
                Circle(
                    plot.x(i),
                    plot.y(value),
                    2.2,
                    fillColor=None,
                    strokeColor=HexColor(DOWN),
                    strokeWidth=1.0,
                )
            )
        else:
            plot.box(plot.x(i) - 0.5, plot.y(value) - 0.5, 1.0, 1.0, MUTED)
    plot.path([(i, -value) for i, value in enumerate(var)], ACCENT, 0.8)
    for i, at in ((0, "start"), (len(returns) - 1, "end")):
        plot.text(plot.x(i), BOTTOM - 10, str(found["ts"][i])[:10], at=at)
    plot.text(plot.x((len(returns) - 1) / 2), 2, "VaR as told the bar before", ACCENT, "middle")
    return plot.drawing


def components(found: Mapping[str, Any], width: float) -> Any:
    """Draw each position's part of VaR and ES as bars from zero."""
    rows = shown_parts(found["positions"])
    values = [row[key] for row in rows for key in ("component_var", "component_es")]
    low, high = min(*values, 0.0), max(*values, 0.0)
    step = 15.0
    height = BOTTOM + TOP + step * len(rows)
    plot = Plot(width, height, (low, high), (0.0, 1.0))
    for value in steps(low, high):
        at = plot.x(value)
        plot.line(at, BOTTOM, at, height - TOP, MUTED if value == 0.0 else LINE, 0.4)
        plot.text(at, BOTTOM - 10, percent(value, _places(low, high)), at="middle")
    for i, row in enumerate(rows):
        base = height - TOP - step * (i + 1)
        plot.text(LEFT - 3, base + 5, str(row["name"])[:8], INK, "end")
        for key, colour, up in (("component_var", ACCENT, 7.5), ("component_es", DOWN, 2.0)):
            ends = sorted((plot.x(0.0), plot.x(row[key])))
            plot.box(ends[0], base + up, ends[1] - ends[0], 5.0, colour)
    return plot.drawing


def shown_parts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the largest parts, the others as one."""
    shown = [dict(row) for row in rows[:MOST_BARS]]
    rest = rows[MOST_BARS:]
    if rest:
        keys = ("weight", "component_var", "component_es", "alone_es", "incremental_es")
        sums = {key: sum(row[key] for row in rest) for key in keys}
        shown.append(
            {"name": f"{len(rest)} more", **sums, "alone_es": None, "incremental_es": None}
        )
    return shown


def used_bar(ratio: float | None, width: float = 90.0) -> Any:
    """Draw how much of a limit is used."""
    plot = Plot(width, 8.0, (0.0, 1.0), (0.0, 1.0))
    plot.box(0, 2, width, 4.5, "#e9eaee")
    if ratio is not None:
        colour = DOWN if ratio > 1.0 else AMBER if ratio >= 0.8 else ACCENT
        plot.box(0, 2, width * min(max(ratio, 0.0), 1.0), 4.5, colour)
    return plot.drawing


def light(colour: str) -> Any:
    """Draw a grade's colour with its word."""
    plot = Plot(52.0, 8.0, (0.0, 1.0), (0.0, 1.0))
    if colour in LIGHTS:
        plot.box(0, 1.5, 5.0, 5.0, LIGHTS[colour])
    plot.text(8.0, 2.0, spelled(colour) or "not graded", LIGHTS.get(colour, MUTED))
    return plot.drawing
