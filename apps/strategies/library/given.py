"""Given: what to hold or to order comes with the request, and nothing is decided here."""

from __future__ import annotations

import numpy as np

from apps.market.kernel.bars import Panel
from apps.strategies.library.base import Features, Floats, Params, Spec, View


class Given:
    """Decides nothing: the orders, target weights or signals of a request are played as they are.

    Source: none; the rows are those of whoever asked for the run.
    """

    spec = Spec(
        name="given",
        title="Given orders or weights",
        about=(
            "Plays the orders, target weights or signals that come with the request; it decides "
            "nothing by itself, so it can be neither swept nor promoted."
        ),
        source="The rows of the request",
        passive=True,
    )

    def warmup(self, params: Params) -> int:  # noqa: ARG002 the interface hands parameters
        """Return 0: nothing is computed."""
        return 0

    def prepare(self, panel: Panel, params: Params) -> Features:  # noqa: ARG002
        """Return nothing."""
        return {}

    def decide(self, view: View, params: Params) -> Floats | None:  # noqa: ARG002
        """Return None: all is left as it is."""
        return None

    def targets(self, panel: Panel, params: Params) -> Floats:  # noqa: ARG002
        """Return rows that leave everything as it is."""
        return np.full(panel.close.shape, np.nan)
