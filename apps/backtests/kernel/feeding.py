"""What the engine is fed beside prices: which inputs a request needs, and what it is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.market.kernel.bars import Panel

PERPETUAL = "perpetual"
# What is held gets what its prices don't hold already; decision 0062.
NOT_IN_PRICES = {"raw": ("split", "dividend"), "split": ("dividend",), "total_return": ()}


def inputs_of(price_mode: str, *, funding: bool) -> tuple[str, ...]:
    """Return what a run reads beside prices and its strategy's inputs."""
    return (*NOT_IN_PRICES[price_mode], "fx", *(("funding",) if funding else ()))


def fed(panel: Panel) -> Panel:
    """Return the panel as the engine takes it.

    Days without splits and dividends need no loop that looks for them. Where perpetuals stand
    beside other instruments, those others have no funding to settle: 0, not unknown.
    """
    extras = dict(panel.extras)
    for name in ("split", "dividend"):
        if name in extras and not (extras[name] > 0.0).any():
            del extras[name]
    others = np.array([kind != PERPETUAL for kind in panel.kinds], bool)
    if "funding" in extras and others.any() and not others.all():
        extras["funding"] = np.where(others, 0.0, extras["funding"])
    if len(extras) == len(panel.extras) and all(extras[k] is panel.extras[k] for k in extras):
        return panel
    return replace(panel, extras=extras, known_digest="")


def funding_words(panel: Panel, *, charged: bool) -> str:
    """Say what became of the funding of perpetuals; nothing of a panel without any."""
    if PERPETUAL not in panel.kinds:
        return ""
    if charged:
        return "Funding was settled at each close, at the stored rates."
    return "Funding of perpetuals was left out: costs.funding is off."
