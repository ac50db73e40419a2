"""What a search is asked to do, checked; and the criteria written down before it looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from apps.assistant.kernel.genetic import Settings
from apps.assistant.kernel.scoring import OBJECTIVES, Portfolio
from apps.assistant.kernel.trees import Limits
from apps.core.errors import Invalid

# The kind of each number and its lowest and highest value.
RANGES: dict[str, tuple[type, float, float]] = {
    "split": (float, 0.3, 0.9),
    "share": (float, 0.01, 0.5),
    "rebalance_days": (int, 1, 92),
    "fee_bps": (float, 0, 500),
    "slippage_bps": (float, 0, 500),
    "population": (int, 8, 400),
    "generations": (int, 0, 40),
    "candidates": (int, 1, 30),
    "seed": (int, 0, 2**31 - 1),
    "ideas": (int, 1, 20),
    "max_depth": (int, 2, 8),
    "max_lookback": (int, 5, 504),
}
CRITERIA: dict[str, tuple[float, float]] = {"min_sharpe": (-5, 10), "min_ic_t": (-10, 20)}
MIN_SIDE = 120
MAX_IDEA = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """A search: how candidates are made into portfolios, looked for, and judged."""

    split: float = 0.7
    objective: str = "sharpe"
    share: float = 0.2
    rebalance_days: int = 14
    long_short: bool = True
    fee_bps: float = 5.0
    slippage_bps: float = 5.0
    population: int = 40
    generations: int = 5
    candidates: int = 8
    seed: int = 1
    use_model: bool = True
    idea: str = ""
    ideas: int = 8
    max_depth: int = 5
    max_lookback: int = 252
    criteria: dict[str, float] = field(
        default_factory=lambda: {"min_sharpe": 0.5, "min_ic_t": 1.0}
    )

    @property
    def portfolio(self) -> Portfolio:
        """How scores become a portfolio."""
        return Portfolio(
            share=self.share,
            rebalance_days=self.rebalance_days,
            long_short=self.long_short,
            fee_bps=self.fee_bps,
            slippage_bps=self.slippage_bps,
        )

    @property
    def settings(self) -> Settings:
        """How the search is run."""
        limits = Limits(depth=self.max_depth, lookback=self.max_lookback)
        return Settings(population=self.population, generations=self.generations, limits=limits)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as it is stored."""
        return asdict(self)


def check_plan(given: dict[str, Any]) -> Plan:
    """Return a plan with defaults filled in. Raises ``Invalid`` naming the field at fault."""
    known = Plan.__dataclass_fields__
    for name in given:
        if name not in known:
            raise _refusal(name, f"is no setting of a search; there are {', '.join(known)}")
    values = {name: _value(name, value) for name, value in given.items()}
    return Plan(**values)


def _value(name: str, value: Any) -> Any:
    if name in RANGES:
        return _number(name, value)
    if name == "criteria":
        return _criteria(value)
    if name in {"long_short", "use_model"}:
        return _checked(name, value, isinstance(value, bool), "is true or false")
    if name == "objective":
        return _checked(name, value, value in OBJECTIVES, f"is one of {', '.join(OBJECTIVES)}")
    fits = isinstance(value, str) and len(value) <= MAX_IDEA
    return _checked(name, value, fits, f"is a text of at most {MAX_IDEA} characters")


def _checked(name: str, value: Any, fits: bool, expected: str) -> Any:
    if not fits:
        raise _refusal(name, f"= {value!r}; it {expected}")
    return value


def _number(name: str, value: Any) -> Any:
    kind, low, high = RANGES[name]
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not low <= value <= high or kind(value) != value:  # NaN is in no range
        words = "a whole number" if kind is int else "a number"
        raise _refusal(name, f"= {value!r}; it is {words} from {low:g} to {high:g}")
    return kind(value)


def _criteria(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not set(value) <= set(CRITERIA):
        raise _refusal("criteria", f"= {value!r}; it may hold {', '.join(CRITERIA)}")
    for name, bound in value.items():
        low, high = CRITERIA[name]
        fits = isinstance(bound, int | float) and not isinstance(bound, bool)
        if not fits or not low <= bound <= high:
            raise _refusal(f"criteria.{name}", f"= {bound!r}; it is from {low:g} to {high:g}")
    return {**Plan().criteria, **{name: float(bound) for name, bound in value.items()}}


def _refusal(name: str, why: str) -> Invalid:
    message = f"{name} {why}."
    return Invalid(message, code="search.out_of_range", details={"field": name})


def cut_of(n_bars: int, split: float) -> int:
    """Return the first out-of-sample bar. Raises ``Invalid`` when a side would be too short."""
    cut = int(n_bars * split)
    if min(cut, n_bars - cut) < MIN_SIDE:
        message = (
            f"{n_bars} bars leave {cut} in sample and {n_bars - cut} out of sample; each side "
            f"needs {MIN_SIDE}. Choose earlier or later dates, or another split."
        )
        raise Invalid(message, code="search.too_short", details={"field": "start"})
    return cut


def meets(figures: dict[str, float | None], criteria: dict[str, float]) -> bool:
    """Tell whether out-of-sample figures meet the criteria; a missing figure never does."""
    pairs = (("sharpe", "min_sharpe"), ("ic_t", "min_ic_t"))
    for figure, bound in pairs:
        value = figures.get(figure)
        if bound in criteria and (value is None or value < criteria[bound]):
            return False
    return True
