"""Plotly figures of ours as PNG, drawn without a browser: lines, dots and heat maps.

matplotlib is loaded on the first picture. What the figures use is drawn, nothing more.
"""

from __future__ import annotations

import io
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

Figure = dict[str, Any]
# Where the drawing library goes in a page; it is kept once for all of them.
LIBRARY_MARK = b"/*the drawing library*/"
WIDTH, HEIGHT, DOTS = 10.0, 5.6, 120
# The light theme of the pages (static/css/tokens.css): pictures are looked at on paper.
COLOURS = {
    "accent": "#2355d8",
    "amber": "#855600",
    "down": "#bb2d1c",
    "lime": "#5d7410",
    "line": "#dddddd",
    "muted": "#5a5a64",
    "raised": "#ffffff",
    "rose": "#b3306d",
    "sky": "#0a6ea8",
    "teal": "#08705a",
    "text": "#17171b",
    "up": "#08705a",
    "vermilion": "#bb2d1c",
    "violet": "#6d45d6",
}
DASHES = {"dot": ":", "dash": "--"}
MARKS = {"triangle-up": "^", "triangle-down": "v", "circle": "o"}
STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 9, "text.parse_math": False}
TAG = re.compile(r"<[^>]*>")
# What matplotlib draws by is the process's, not the thread's.
_drawing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing as bytes; in a page the mark stands where the library goes."""

    content: bytes
    media_type: str
    library: bytes | None = None

    @property
    def whole(self) -> bytes:
        """The bytes as they are given out."""
        return whole(self.content, self.library)


def whole(content: bytes, shared: bytes | None) -> bytes:
    """Return kept bytes as they are given out: what is shared in the place of the mark."""
    return content if shared is None else content.replace(LIBRARY_MARK, shared, 1)


def painted(value: Any) -> Any:
    """Return a figure with the pages' tokens replaced by colours: ``$down/20`` and the like."""
    if isinstance(value, str):
        return _colour(value) if value.startswith("$") else value
    if isinstance(value, list):
        return [painted(inner) for inner in value]
    if isinstance(value, dict):
        return {key: painted(inner) for key, inner in value.items()}
    return value


def _colour(token: str) -> str:
    name, _, share = token[1:].partition("/")
    if name not in COLOURS:
        return token
    return COLOURS[name] + (f"{round(int(share) / 100 * 255):02x}" if share else "")


def picture(figure: Figure, label: str) -> bytes:
    """Return a painted figure as PNG; an empty one says in words why it is."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    layout, traces = figure["layout"], figure["data"]
    with _drawing, rc_context(STYLE):
        sheet = Sheet(figsize=(WIDTH, HEIGHT), dpi=DOTS, facecolor=COLOURS["raised"])
        FigureCanvasAgg(sheet)
        _head(sheet, layout, label)
        if traces:
            _fill(sheet, traces, layout)
        else:
            words = str(layout.get("meta", {}).get("empty", "There is nothing to draw."))
            sheet.text(0.5, 0.5, words, ha="center", color=COLOURS["muted"])
        out = io.BytesIO()
        # Its own name and version would make other bytes of the same picture.
        sheet.savefig(out, format="png", metadata={"Software": None, "Title": label})
    return out.getvalue()


def _head(sheet: Any, layout: Figure, label: str) -> None:
    title = layout.get("title", {})
    below = str(title.get("subtitle", {}).get("text", ""))
    words = TAG.sub(" ", str(title.get("text", label)))
    sheet.text(0.06, 0.955, words, color=COLOURS["text"], size=11, weight="bold")
    sheet.text(0.06, 0.918, TAG.sub(" ", below), color=COLOURS["muted"], size=8)
    sheet.text(0.06, 0.015, label, color=COLOURS["muted"], size=7)


def _fill(sheet: Any, traces: list[Figure], layout: Figure) -> None:
    left, bottom, width, height = 0.075, 0.1, 0.9, 0.78
    axes: dict[str, Any] = {}
    for name in sorted({trace.get("yaxis", "y") for trace in traces}):
        axis = layout.get("yaxis" + name[1:], {})
        low, high = axis.get("domain", (0.0, 1.0))
        place = (left, bottom + low * height, width, (high - low) * height)
        axes[name] = sheet.add_axes(place, sharex=axes.get("y"), facecolor=COLOURS["raised"])
    for trace in traces:
        area = axes[trace.get("yaxis", "y")]
        _heat(area, trace) if trace["type"] == "heatmap" else _scatter(area, trace)
    for name, area in axes.items():
        _axis(area, layout.get("yaxis" + name[1:], {}), layout, is_last=name == max(axes))
    handles, labels = axes["y"].get_legend_handles_labels()
    if labels:
        axes["y"].legend(handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.0),
                         ncols=len(labels), frameon=False, fontsize=8)  # fmt: skip


def _scatter(area: Any, trace: Figure) -> None:
    x = [_moment(value) for value in trace["x"]]
    y = np.array([np.nan if value is None else value for value in trace["y"]], dtype=np.float64)
    named = trace.get("name", "") if trace.get("showlegend", True) else ""
    label = named or "_hidden"
    if trace.get("mode") == "markers":
        mark = trace["marker"]
        area.scatter(x, y, s=mark.get("size", 6) ** 2 / 2, c=mark["color"], label=label,
                     marker=MARKS.get(mark.get("symbol", ""), "o"), alpha=0.8)  # fmt: skip
        return
    line = trace["line"]
    style = DASHES.get(line.get("dash", ""), "-")
    area.plot(x, y, style, color=line["color"], lw=line.get("width", 1.4), label=label)
    if trace.get("fill") == "tozeroy":
        area.fill_between(x, y, 0.0, color=trace["fillcolor"][:7], alpha=0.2, lw=0)


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return np.nan if value is None else value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _heat(area: Any, trace: Figure) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    stops = [(place, colour) for place, colour in trace["colorscale"]]
    scale = LinearSegmentedColormap.from_list("ours", stops)
    cells = [[np.nan if value is None else value for value in row] for row in trace["z"]]
    area.imshow(np.array(cells, dtype=np.float64), aspect="auto", cmap=scale,
                vmin=trace["zmin"], vmax=trace["zmax"])  # fmt: skip
    area.set_xticks(range(len(trace["x"])), trace["x"])
    area.set_yticks(range(len(trace["y"])), trace["y"])
    small = 6 if len(trace["y"]) > 25 else 8
    for row, words in enumerate(trace["text"]):
        for column, word in enumerate(words):
            area.text(column, row, word, ha="center", va="center", size=small)


def _axis(area: Any, axis: Figure, layout: Figure, *, is_last: bool) -> None:
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    across = layout.get("xaxis", {})
    area.set_ylabel(axis.get("title", {}).get("text", ""), color=COLOURS["muted"])
    if str(axis.get("tickformat", "")).endswith("%"):
        area.yaxis.set_major_formatter(PercentFormatter(1.0))
    elif axis.get("type") != "category":
        area.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    if str(across.get("tickformat", "")).endswith("%"):
        area.xaxis.set_major_formatter(PercentFormatter(1.0))
    area.tick_params(colors=COLOURS["muted"], labelsize=8, labelbottom=is_last)
    if is_last:
        area.set_xlabel(across.get("title", {}).get("text", ""), color=COLOURS["muted"])
    if axis.get("type") != "category":
        area.grid(axis="y", color=COLOURS["line"], lw=0.5)
        area.set_axisbelow(True)
    for side in area.spines.values():
        side.set_color(COLOURS["line"])


def library() -> bytes:
    """Return plotly.js as the package carries it, ready to stand inside a page."""
    from plotly.offline import get_plotlyjs

    # A script ends at the first such tag, wherever it stands.
    return str(get_plotlyjs()).replace("</script", "<\\/script").encode()
