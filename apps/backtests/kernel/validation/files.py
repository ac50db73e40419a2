"""A validation on a file of bars: request and bars in, result out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.backtests.kernel.panels import between, read_panel_file
from apps.backtests.kernel.requests import read_request
from apps.backtests.kernel.trials import check_objective
from apps.backtests.kernel.validation.ground import Ground
from apps.backtests.kernel.validation.kinds import combinations_of, kind_of
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import bounds
from apps.strategies.kernel.interface import Strategy, check_params

OWN = ("space", "plan", "kind", "objective")


def validate_file(
    body: Mapping[str, Any], content: bytes, name: str, find: Callable[[str], Strategy]
) -> dict[str, Any]:
    """Return the result of a validation on the bars of a file; nothing of it is stored.

    Parameters
    ----------
    body
        As ``POST /validations`` takes it.
    find
        Gives a strategy by the name it has in requests.

    Raises
    ------
    Invalid
        For a request or a plan that can't be, or a file that can't be read.
    """
    own = {field: body[field] for field in OWN if field in body}
    rest = {field: value for field, value in body.items() if field not in OWN}
    asked = read_request(rest, panel_given=True)
    if asked.given:
        message = "A validation chooses parameters; leave orders, targets and signals out."
        raise Invalid(message, code="validation.given", details={"field": "strategy"})
    kind = kind_of(str(own.get("kind", "walk_forward")))
    objective = check_objective(own.get("objective", "sharpe"))
    strategy = find(asked.strategy)
    fixed = check_params(strategy.spec, asked.params)
    space, every = combinations_of(own.get("space"), strategy.spec, fixed)
    plan = kind.read(own.get("plan", {}))
    mode = asked.price_mode if rest.get("price_mode") else "raw"
    panel: Panel = read_panel_file(
        content,
        name,
        timeframe=asked.timeframe or "1d",
        price_mode=mode,
        currency=asked.currency,
    )
    panel = between(panel, *bounds(asked.start, asked.end))
    ground = Ground(panel, strategy, asked, space, every, objective, plan)
    steps = kind.steps(ground)
    done = [(step, kind.work(ground, step, _quiet)) for step in steps]
    return {
        "kind": kind.name,
        "is_evidence": kind.is_evidence,
        "says": kind.says,
        "trials": sum(step.trials for step in steps),
        "data_digest": panel.digest,
        **kind.finish(ground, done),
    }


def _quiet(_share: float) -> None:
    """Tell nobody."""
