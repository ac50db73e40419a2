"""What a measure is asked for: level, horizon, quantile rule; and what a method answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.core.errors import Invalid
from apps.risk.kernel.samples import check_horizon, tail_of

# Name: the number that Hyndman and Fan (1996) give the rule; the last four have none.
QUANTILES: dict[str, int | None] = {
    "inverted_cdf": 1,
    "averaged_inverted_cdf": 2,
    "closest_observation": 3,
    "interpolated_inverted_cdf": 4,
    "hazen": 5,
    "weibull": 6,
    "linear": 7,
    "median_unbiased": 8,
    "normal_unbiased": 9,
    "lower": None,
    "higher": None,
    "nearest": None,
    "midpoint": None,
}
SHORTFALLS = {
    "at_or_below": "mean of the observations at or below the VaR quantile",
    "tail": "mean of exactly the tail probability, the last observation counted in part",
    "lowest": "mean of the floor((n - 1) tail) + 1 lowest observations",
}
SCALINGS = {
    "own": "as the method does",
    "sqrt_time": "one period's figure times the square root of the horizon",
}
OUTSIDE = ("state", "refuse", "historical")
FILTERS = ("ewma", "garch")
MAX_HORIZON = 2_520
MAX_DRAWS = 4_194_304


@dataclass(frozen=True, slots=True)
class Terms:
    """How to measure; the defaults are the house's.

    Parameters
    ----------
    level
        Confidence, 0 to 1.
    horizon
        Periods ahead.
    quantile
        One of ``QUANTILES``: how a quantile of a sample is read.
    shortfall
        One of ``SHORTFALLS``: which observations the expected shortfall is the mean of.
    scaling
        One of ``SCALINGS``.
    ddof
        0 for population moments, 1 for the sample standard deviation.
    decay
        Weight of yesterday's variance (EWMA); 0.94 is RiskMetrics' for days.
    ageing
        What an observation loses in weight with each period of age; 0.98 in the paper.
    outside
        What Cornish-Fisher does where its expansion is no distribution: ``state``, ``refuse`` or
        ``historical``.
    threshold
        Share of the losses below the threshold of the extreme value method.
    draws
        Paths that are simulated.
    seed
        Of the simulation and of bootstrapped errors.
    """

    level: float = 0.95
    horizon: int = 1
    quantile: str = "linear"
    shortfall: str = "at_or_below"
    scaling: str = "own"
    ddof: int = 0
    decay: float = 0.94
    ageing: float = 0.98
    outside: str = "state"
    threshold: float = 0.90
    draws: int = 32_768
    seed: int = 0

    @property
    def tail(self) -> float:
        """The probability of the tail."""
        return tail_of(self.level)


@dataclass(frozen=True, slots=True)
class Tail:
    """VaR and ES by one method, with how the horizon was reached and what must be said of them."""

    var: float
    es: float
    scaling: str
    notes: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


def check_terms(terms: Terms) -> Terms:
    """Return ``terms``. Raises ``Invalid`` naming the field that can't be."""
    tail_of(terms.level)
    check_horizon(terms.horizon)
    if terms.horizon > MAX_HORIZON:
        message = f"The horizon is {terms.horizon} periods; at most {MAX_HORIZON} can be told."
        raise Invalid(message, code="risk.horizon", details={"field": "horizon"})
    _one_of("quantile", terms.quantile, tuple(QUANTILES))
    _one_of("shortfall", terms.shortfall, tuple(SHORTFALLS))
    _one_of("scaling", terms.scaling, tuple(SCALINGS))
    _one_of("outside", terms.outside, OUTSIDE)
    _within("decay", terms.decay, 0.5, 1.0)
    _within("ageing", terms.ageing, 0.5, 1.0)
    _within("threshold", terms.threshold, 0.5, 1.0)
    if terms.ddof not in (0, 1) or terms.seed < 0:
        name = "seed" if terms.seed < 0 else "ddof"
        message = f"ddof is {terms.ddof}, seed {terms.seed}; ddof is 0 or 1, a seed 0 or more."
        raise Invalid(message, code=f"risk.{name}", details={"field": name})
    if not 2 <= terms.draws <= MAX_DRAWS:
        message = f"{terms.draws} draws; ask for 2 to {MAX_DRAWS}."
        raise Invalid(message, code="risk.draws", details={"field": "draws"})
    return terms


def _one_of(field_name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        message = f"There is no {field_name} {value!r}; available are {', '.join(known)}."
        raise Invalid(message, code=f"risk.{field_name}", details={"field": field_name})


def _within(field_name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        message = f"{field_name} is {value}; give a number between {low} and {high}."
        raise Invalid(message, code=f"risk.{field_name}", details={"field": field_name})


def quantile_named(text: str) -> str:
    """Return the quantile rule of a name or of its number, ``7`` or ``type7``.

    Raises ``Invalid`` (``risk.quantile``).
    """
    wanted = text.strip().lower().removeprefix("type")
    for name, number in QUANTILES.items():
        if wanted in (name, str(number)):
            return name
    _one_of("quantile", text, tuple(QUANTILES))
    return text
