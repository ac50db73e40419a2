"""Errors of the assistant."""

from __future__ import annotations

from apps.core.errors import Unavailable


class ModelFault(Unavailable):
    """A language model did not give a usable answer; the next one may.

    Codes: ``model.rate_limited``, ``model.server``, ``model.timeout``, ``model.unreachable``,
    ``model.malformed``, ``model.refused`` (the key or the request was turned down),
    ``model.declined`` (the model itself won't).
    """

    code = "model.fault"
