"""The corpus of strategies that look ahead, and the bars they run on."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.probe import Place

CORPUS = Path(__file__).parents[1] / "data" / "leaks"
APPS = Path(__file__).parents[2] / "apps"
N_BARS, SYMBOLS = 320, ("A", "B", "C", "D", "E", "F")
LATE, QUARTER = 25, 63
# Who wrote what is told in SOURCE.md.
LEAKY, CLEAN = ("leaky", "others", "fresh"), ("clean", "suspects")


@dataclass(frozen=True, slots=True)
class Case:
    """One strategy with what is wrong with it; ``lines`` are columns for an expression."""

    path: Path
    text: str
    leaks: tuple[str, ...]
    lines: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its folder and file."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def is_expression(self) -> bool:
        """Whether it is a formula."""
        return self.path.suffix == ".txt"

    @property
    def formula(self) -> str:
        """The formula's own line."""
        return next(line for line in self.text.splitlines() if line and line[0] != "#")


def cases(*folders: str) -> list[Case]:
    """Return the strategies of some folders by name."""
    paths = [path for folder in folders for path in sorted((CORPUS / folder).glob("[0-9]*"))]
    return [read_case(path) for path in paths if path.suffix in {".py", ".txt"}]


def read_case(path: Path) -> Case:
    """Return a strategy with what its header says."""
    text = path.read_text()
    head = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        name, _, value = line.lstrip("# ").partition(":")
        head[name.strip()] = [part.strip() for part in value.split(",")]
    leaks = tuple(one for one in head["leak"] if one != "none")
    lines = head.get("line") or head.get("column") or []
    return Case(path, text, leaks, tuple(int(one) for one in lines if one.isdecimal()))


@cache
def bars() -> Panel:
    """Return the bars of the corpus, the same at each call."""
    rng = np.random.default_rng(20210104)
    shape = (N_BARS, len(SYMBOLS))
    market = rng.normal(0.0003, 0.009, (N_BARS, 1))
    swing = 0.004 * np.sin(np.arange(N_BARS)[:, None] / np.array([9, 13, 17, 11, 8, 15]))
    moves = market + swing + rng.normal(0.0, 0.012, shape)
    close = np.array([40.0, 95.0, 18.0, 140.0, 60.0, 27.0]) * np.exp(np.cumsum(moves, axis=0))
    before = np.vstack([close[:1], close[:-1]])
    opening = before * np.exp(rng.normal(0.0, 0.004, shape))
    high = np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, 0.005, shape)))
    low = np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, 0.005, shape)))
    volume = np.round(1e5 * np.exp(rng.normal(0.0, 0.5, shape)))
    fields = {"open": opening, "high": high, "low": low, "close": close, "volume": volume}
    extras = _extras(rng, shape)
    for array in (*fields.values(), *extras.values()):
        array[:90, 4] = np.nan
        array[251:, 5] = np.nan
    days = np.busday_offset("2021-01-04", np.arange(N_BARS)).astype("datetime64[us]")
    ts = days.astype(np.int64)
    return Panel(SYMBOLS, ts, timeframe="1d", extras=extras, **fields)


def _extras(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    funding = rng.normal(0.0, 0.0003, shape)
    interest = 1e6 * np.exp(np.cumsum(rng.normal(0.0, 0.02, shape), axis=0))
    ratio = np.exp(rng.normal(0.0, 0.2, shape))
    eps, by_period = np.full(shape, np.nan), np.full(shape, np.nan)
    for column in range(shape[1]):
        for end in range(10 + 7 * column, N_BARS, QUARTER):
            figure = np.round(rng.normal(1.0, 0.6), 2)
            by_period[end:, column] = figure
            eps[end + LATE :, column] = figure
    member = np.ones(shape)
    for column in range(shape[1]):
        turns = np.sort(rng.choice(np.arange(30, N_BARS - 10), 4, replace=False))
        flips = np.searchsorted(turns, np.arange(N_BARS), side="right")
        member[:, column] = (flips + column) % 2
    labels = np.repeat(rng.integers(0, 3, N_BARS // 8 + 1), 8)[:N_BARS]
    regime = np.repeat(labels[:, None].astype(float), shape[1], axis=1)
    sector = np.tile(np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0]), (shape[0], 1))
    return {
        "funding": funding, "open_interest": interest, "long_short_ratio": ratio,
        "eps": eps, "eps_by_period": by_period, "member": member, "regime": regime,
        "sector": sector,
    }  # fmt: skip


def known_at() -> dict[str, np.ndarray]:
    """Return, for inputs that are stamped before they are known, the bar each cell is known at.

    ``eps_by_period`` carries a figure from the end of its quarter on: those cells of the first
    ``LATE`` bars are known only once it was published.
    """
    values = bars().extras["eps_by_period"]
    rows = np.repeat(np.arange(N_BARS)[:, None], len(SYMBOLS), axis=1)
    known = rows.copy()
    for column in range(len(SYMBOLS)):
        for end in range(10 + 7 * column, N_BARS, QUARTER):
            stop = min(end + LATE, N_BARS)
            known[end:stop, column] = end + LATE
    known[np.isnan(values)] = rows[np.isnan(values)]
    return {"eps_by_period": known}


class TextSubject:
    """A text of the corpus, run here: it is the tests' own. Users' texts run in the sandbox."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.code = compile(text, "<strategy>", "exec")
        self.params: dict[str, object] = {}
        fields = self.load(self.code, {}, "PARAMETERS") or {}
        self.params = {name: one["default"] for name, one in fields.items()}

    @staticmethod
    def load(code, names, entry="targets"):
        module = ModuleType("strategy")
        module.__dict__.update(names)
        exec(code, module.__dict__)  # noqa: S102
        return getattr(module, entry, None)

    def outputs(self, panel):
        found = np.asarray(self.load(self.code, {})(panel, self.params), dtype=float)
        return {"targets": found}

    def afresh(self):
        """Nothing is remembered here."""

    def place(self, whole, other, cut):
        panels = (whole, other)
        found = tracing().trace(self.text, "<strategy>", self.load, panels, self.params, cut, 10.0)
        return Place(*found) if found else None


@cache
def tracing():
    """Return the module that lies within the sandbox."""
    path = APPS / "strategies" / "sandbox" / "inside" / "tracing.py"
    spec = spec_from_file_location("tracing", path)
    module = module_from_spec(spec)
    sys.modules["tracing"] = module
    spec.loader.exec_module(module)
    return module
