"""A decision that the event gear may call compiled, bar by bar, in place of ``decide``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from apps.core.errors import Invalid
from apps.strategies.kernel.interface import Features, Floats, Params, Strategy

# Rows of the desk, one column per instrument: shares of equity held, weights wanted, and memory.
HELD, WANTED, MEMORY = 0, 1, 2
N_MEMORY = 8
N_DESK = MEMORY + N_MEMORY


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled decision and the names of the features it reads, in the order it reads them.

    ``decide(i, features, desk)`` is made by ``deciding_loops.decision``. ``features`` is shaped
    ``(n_features, n_bars, n_assets)`` and may be read up to row ``i``. ``desk`` has ``N_DESK``
    rows of one column per instrument: ``HELD`` are the shares of equity held now; ``WANTED`` is
    NaN and takes the target weights; the ``N_MEMORY`` rows from ``MEMORY`` on are 0 at first and
    are kept. It answers True when it wrote a weight.
    """

    features: tuple[str, ...]
    decide: Any

    def stack(self, features: Features) -> Floats:
        """Return the named features as one array. Raises ``Invalid`` for one that is missing."""
        missing = [name for name in self.features if name not in features]
        if missing:
            message = (
                f"prepare returned no feature {missing[0]!r}; the compiled decision reads it."
            )
            raise Invalid(message, code="compiled.no_feature")
        # The type that all decisions share is that of arrays that may be written.
        arrays = [np.require(features[name], np.float64, ("C", "W")) for name in self.features]
        return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


@runtime_checkable
class WithCompiled(Protocol):
    """A strategy that offers its decision compiled too."""

    def compiled(self, params: Params) -> Compiled | None:
        """Return the compiled twin of ``decide``; None under parameters that have none."""
        ...


def compiled_of(strategy: Strategy, params: Params) -> Compiled | None:
    """Return a strategy's compiled decision, or None when it offers none."""
    return strategy.compiled(params) if isinstance(strategy, WithCompiled) else None
