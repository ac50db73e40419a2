"""What other risk libraries make of the bundled returns, kept in tests/data/risk/peers.json.

``python -m tests.speed.peer_risk`` runs the peers that are installed (skfolio, Riskfolio-Lib,
arch, statsmodels, pyextremes) and writes their figures over what is kept of them. It sees
nothing of the
lab but the bundled bars, which pandas reads.
"""

import importlib.metadata
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
BARS = ROOT / "data" / "sample" / "sp500_daily.parquet"
FILE = ROOT / "tests" / "data" / "risk" / "peers.json"
SYMBOLS, START, END = ("XOM", "JPM", "AAPL"), "2008-01-01", "2012-01-01"
WEIGHTS = (0.5, 0.3, 0.2)
LEVELS = (0.9, 0.95, 0.975, 0.99)
DECAY = 0.94


def returns():
    """Return daily total returns of three shares, ``(n, 3)``, by pandas alone."""
    bars = pd.read_parquet(BARS, columns=["symbol", "ts", "close", "adj_factor"])
    bars = bars[(bars["ts"] >= START) & (bars["ts"] < END) & bars["symbol"].isin(SYMBOLS)]
    price = bars.assign(price=bars["close"] * bars["adj_factor"])
    wide = price.pivot_table(index="ts", columns="symbol", values="price")[list(SYMBOLS)]
    return wide.pct_change().dropna().to_numpy()


def book():
    """Return the returns of the three in fixed shares."""
    return returns() @ np.array(WEIGHTS)


def skfolio():
    """Return VaR, ES and drawdowns by skfolio."""
    from skfolio import measures

    series = book()
    below = measures.get_drawdowns(series, compounded=True)
    plain = measures.get_drawdowns(series, compounded=False)
    return {
        str(level): {
            "var": measures.value_at_risk(series, beta=level),
            "es": measures.cvar(series, beta=level),
            "drawdown_at_risk": measures.drawdown_at_risk(below, beta=level),
            "conditional_drawdown": measures.cdar(below, beta=level)
            if hasattr(measures, "cdar")
            else None,
            "average_drawdown": measures.average_drawdown(below),
            "max_drawdown": measures.max_drawdown(below),
            "max_drawdown_plain": measures.max_drawdown(plain),
        }
        for level in LEVELS
    }


def riskfolio():
    """Return VaR, ES, drawdowns and shares of risk by Riskfolio-Lib."""
    from riskfolio import src

    peer = src.RiskFunctions
    series, found = book(), {}
    block = pd.DataFrame(returns(), columns=list(SYMBOLS))
    weights = pd.DataFrame(WEIGHTS, index=list(SYMBOLS))
    cov = block.cov()
    for level in LEVELS:
        tail = round(1.0 - level, 12)
        found[str(level)] = {
            "var": peer.VaR_Hist(series, alpha=tail),
            "es": peer.CVaR_Hist(series, alpha=tail),
            "drawdown_at_risk": peer.DaR_Rel(series, alpha=tail),
            "conditional_drawdown": peer.CDaR_Rel(series, alpha=tail),
            "average_drawdown": peer.ADD_Rel(series),
            "max_drawdown": peer.MDD_Rel(series),
            "drawdown_at_risk_plain": peer.DaR_Abs(series, alpha=tail),
            "conditional_drawdown_plain": peer.CDaR_Abs(series, alpha=tail),
            "es_contributions": np.ravel(
                peer.Risk_Contribution(weights, returns=block, cov=cov, rm="CVaR", alpha=tail)
            ).tolist(),
        }
    return found


def arch():
    """Return GARCH(1,1) and EWMA by arch, the mean square before the first residual."""
    from arch.univariate import GARCH, ConstantMean, EWMAVariance, ZeroMean

    series = 100.0 * book()
    before = float(np.mean((series - series.mean()) ** 2))
    law = ConstantMean(series, volatility=GARCH(1, 0, 1), rescale=False)
    fit = law.fit(disp="off", backcast=before, options={"ftol": 1e-12}, tol=1e-10)
    ahead = fit.forecast(horizon=10, reindex=False).variance.to_numpy()[-1]
    plain = ZeroMean(series, volatility=EWMAVariance(DECAY), rescale=False)
    weighted = plain.fit(disp="off", backcast=float(np.mean(series**2)))
    return {
        "mean": fit.params["mu"] / 100.0,
        "omega": fit.params["omega"] / 1e4,
        "alpha": fit.params["alpha[1]"],
        "beta": fit.params["beta[1]"],
        "log_likelihood": float(fit.loglikelihood) + series.size * np.log(100.0),
        "errors": (
            fit.conf_int(0.317310507862914).to_numpy()[:, 1] - fit.params.to_numpy()
        ).tolist(),
        "variances": (ahead / 1e4).tolist(),
        "ewma": float(weighted.forecast(horizon=1, reindex=False).variance.to_numpy()[-1, 0])
        / 1e4,
        "ewma_path": (weighted.conditional_volatility[::100] / 100.0).tolist(),
    }


def statsmodels():
    """Return the Student t law by statsmodels' TLinearModel."""
    from statsmodels.miscmodels.tmodel import TLinearModel

    series = 100.0 * book()
    fit = TLinearModel(series, np.ones(series.size)).fit(
        start_params=np.array([0.0, 4.0, 1.0]),
        maxiter=5000,
        maxfun=5000,
        disp=0,
        xtol=1e-10,
        ftol=1e-12,
    )
    location, degrees, scale = (float(value) for value in fit.params)
    return {
        "location": location / 100.0,
        "degrees": degrees,
        "scale": scale / 100.0,
        "log_likelihood": float(fit.llf) + series.size * np.log(100.0),
        "errors": (np.asarray(fit.bse) / np.array([100.0, 1.0, 100.0])).tolist(),
    }


def pyextremes():
    """Return the generalised Pareto law of losses over their 90 % quantile by pyextremes."""
    from pyextremes import EVA

    losses = pd.Series(-book(), pd.date_range("2000-01-01", periods=len(book()), freq="D"))
    threshold = float(np.quantile(losses, 0.9))
    model = EVA(losses)
    model.get_extremes("POT", threshold=threshold, r="1s")
    model.fit_model(model="MLE", distribution="genpareto")
    found = model.distribution.mle_parameters
    return {"shape": found["c"], "scale": found["scale"], "threshold": threshold}


PEERS = {
    "skfolio": (skfolio, "skfolio"),
    "riskfolio": (riskfolio, "Riskfolio-Lib"),
    "arch": (arch, "arch"),
    "statsmodels": (statsmodels, "statsmodels"),
    "pyextremes": (pyextremes, "pyextremes"),
}


def main():
    """Write the figures of the peers that are here; keep those of the others."""
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name, (figures, package) in PEERS.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            sys.stderr.write(f"{name}: not installed, its figures stay\n")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept[name] = {"version": version, "figures": figures()}
    FILE.write_text(json.dumps(kept, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
