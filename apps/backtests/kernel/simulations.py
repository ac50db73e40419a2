"""A backtest on a file: request and bars in, result out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.backtests.kernel.panels import between, read_panel_file
from apps.backtests.kernel.reports import compute, summary
from apps.backtests.kernel.requests import Request, read_request
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import bounds
from apps.strategies.kernel.interface import Params, Strategy, check_params


def simulate_file(
    body: Mapping[str, Any], content: bytes, name: str, find: Callable[[str], Strategy]
) -> dict[str, Any]:
    """Return the result of a request on the bars of a file.

    Parameters
    ----------
    find
        Gives a strategy by the name it has in requests.

    Raises
    ------
    Invalid
        For a request that can't be, or a file that can't be read.
    """
    panel, strategy, params, asked = read_simulation(body, content, name, find)
    return summary(compute(panel, strategy, params, asked), asked, params)


def read_simulation(
    body: Mapping[str, Any], content: bytes, name: str, find: Callable[[str], Strategy]
) -> tuple[Panel, Strategy, Params, Request]:
    """Return bars, strategy, its parameters and the request of a backtest on a file."""
    asked = read_request(body, panel_given=True)
    strategy = find(asked.strategy)
    params = check_params(strategy.spec, asked.params)
    strategy.warmup(params)
    if asked.as_of:
        message = "as_of asks for stored bars as they were known then; a file has one version."
        raise Invalid(message, code="request.as_of", details={"field": "as_of"})
    # Prices of a file are what was traded unless it is told what they hold.
    mode = asked.price_mode if body.get("price_mode") else "raw"
    frame = asked.timeframe or "1d"
    panel = read_panel_file(
        content, name, timeframe=frame, price_mode=mode, currency=asked.currency
    )
    panel = between(panel, *bounds(asked.start, asked.end))
    return panel, strategy, params, asked
