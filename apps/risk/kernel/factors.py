"""Exposure to factors by least squares with errors that bear autocorrelation; attribution; PCA."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.samples import Floats

FF5_MOM = ("MKT_RF", "SMB", "HML", "RMW", "CMA", "MOM")
RISK_FREE = "RF"
# Rows beyond the number of coefficients.
MIN_SPARE = 20


def exposures(
    returns: Floats, factors: Mapping[str, Floats], *, lags: int | None = None
) -> dict[str, Any]:
    """Return alpha and betas of excess returns with Newey-West errors.

    Parameters
    ----------
    returns
        ``(n,)`` excess returns; a row with a missing value anywhere is left out.
    factors
        Name to ``(n,)`` factor returns.
    lags
        Of the Bartlett kernel; floor(4 (n / 100)^(2/9)) by default.

    Returns
    -------
    dict
        ``alpha`` and ``betas`` by name: coefficient, error, t, p; ``r_squared``, ``rows``,
        ``lags``; ``attribution``: mean return and share of variance by factor, what is left as
        ``residual``. Means and alpha add up to the mean return, shares to 1.

    Raises
    ------
    Invalid
        ``risk.factors.too_few``, ``risk.factors.singular``, ``risk.factors.constant``.

    References
    ----------
    Newey and West (1987), Econometrica 55(3); (1994), Review of Economic Studies 61(4).
    """
    names = tuple(factors)
    columns = np.stack([np.asarray(factors[name], dtype=np.float64) for name in names], axis=1)
    whole = np.isfinite(columns).all(axis=1) & np.isfinite(returns)
    y, x = returns[whole], columns[whole]
    n, k = len(y), len(names) + 1
    if n < k + MIN_SPARE:
        message = f"{n} rows in common with {', '.join(names)}; {k + MIN_SPARE} are needed."
        raise Invalid(message, code="risk.factors.too_few")
    if float(np.ptp(y)) == 0.0:
        message = "The returns do not vary; no factor explains them."
        raise Invalid(message, code="risk.factors.constant")
    design = np.column_stack([np.ones(n), x])
    if np.linalg.matrix_rank(design) < k:
        message = f"The factors {', '.join(names)} say the same; leave one out."
        raise Invalid(message, code="risk.factors.singular")
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ (design.T @ y)
    residual = y - design @ coefficients
    used = math.floor(4.0 * (n / 100.0) ** (2.0 / 9.0)) if lags is None else lags
    middle = _newey_west(design * residual[:, None], used)
    errors = np.sqrt(np.diag(inverse @ middle @ inverse))
    rows = [_coefficient(b, e) for b, e in zip(coefficients, errors, strict=True)]
    return {
        "alpha": rows[0],
        "betas": dict(zip(names, rows[1:], strict=True)),
        "r_squared": 1.0 - float(residual.var() / y.var()),
        "rows": n,
        "lags": used,
        "attribution": _attribution(y, x, coefficients[1:], names),
    }


def _newey_west(scores: Floats, lags: int) -> Floats:
    total = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        total += (1.0 - lag / (lags + 1.0)) * (cross + cross.T)
    return np.asarray(total)


def _coefficient(value: float, error: float) -> dict[str, float]:
    t = float(value / error) if error > 0.0 else 0.0
    return {
        "value": float(value),
        "error": float(error),
        "t": t,
        "p_value": math.erfc(abs(t) / math.sqrt(2.0)),
    }


def _attribution(y: Floats, x: Floats, betas: Floats, names: Sequence[str]) -> dict[str, Any]:
    variance = float(y.var())
    gaps = x - x.mean(axis=0)
    shares = betas * (gaps.T @ (y - y.mean())) / len(y) / variance
    means = betas * x.mean(axis=0)
    rows = {
        name: {"mean": float(mean), "variance_share": float(share)}
        for name, mean, share in zip(names, means, shares, strict=True)
    }
    rows["residual"] = {
        "mean": float(y.mean() - means.sum()),
        "variance_share": float(1.0 - shares.sum()),
    }
    return rows


def principal(columns: Mapping[str, Floats], weights: Mapping[str, float]) -> dict[str, Any]:
    """Return the principal components of correlations, and how the book stands to them.

    Parameters
    ----------
    columns
        Symbol to ``(n,)`` returns; rows with a missing value are left out.
    weights
        Symbol to weight; those without a column are left out and named.

    Returns
    -------
    dict
        ``explained`` by component, ``loadings`` by symbol (signs chosen so that a component's
        loadings sum to a positive number), ``book``: share of the book's variance by component.

    Raises
    ------
    Invalid
        ``risk.factors.too_few`` under two symbols or 20 rows more than symbols,
        ``risk.factors.constant`` for a symbol that does not vary.
    """
    names = tuple(columns)
    block = np.stack([np.asarray(columns[s], dtype=np.float64) for s in names], axis=1)
    whole = block[np.isfinite(block).all(axis=1)]
    if len(names) < 2 or len(whole) < len(names) + MIN_SPARE:
        message = (
            f"{len(names)} instruments with {len(whole)} common rows; take two and more rows."
        )
        raise Invalid(message, code="risk.factors.too_few")
    sd = whole.std(axis=0)
    if (sd == 0.0).any():
        still = [name for name, value in zip(names, sd, strict=True) if value == 0.0]
        raise Invalid(f"{', '.join(still)} did not move.", code="risk.factors.constant")
    units = (whole - whole.mean(axis=0)) / sd
    values, vectors = np.linalg.eigh(units.T @ units / len(units))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    vectors = vectors * np.where(vectors.sum(axis=0) < 0.0, -1.0, 1.0)
    held = np.array([weights.get(name, 0.0) for name in names]) * sd
    by_component = (vectors.T @ held) ** 2 * values
    total = float(by_component.sum())
    return {
        "rows": len(whole),
        "explained": (values / values.sum()).tolist(),
        "loadings": {name: vectors[i].tolist() for i, name in enumerate(names)},
        "book": (by_component / total).tolist() if total > 0.0 else [0.0] * len(names),
        "missing": sorted(s for s, share in weights.items() if share and s not in columns),
    }
