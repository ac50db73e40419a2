"""Factor exposures against statsmodels, principal components against scikit-learn."""

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.risk.kernel.factors import exposures, principal


@pytest.fixture
def sample():
    rng = np.random.default_rng(7)
    factors = {name: rng.standard_t(5, 600) / 100 for name in ("MKT_RF", "SMB", "HML")}
    noise = np.convolve(rng.standard_normal(602), [1, 0.6, 0.3], mode="valid") / 200
    return 0.0004 + 1.2 * factors["MKT_RF"] - 0.4 * factors["SMB"] + noise, factors


@pytest.mark.parametrize("lags", [0, 5, None])
def test_exposures_are_those_of_statsmodels(sample, lags):
    from statsmodels.regression.linear_model import OLS

    returns, factors = sample
    found = exposures(returns, factors, lags=lags)
    design = np.column_stack([np.ones(600), *factors.values()])
    peer = OLS(returns, design).fit(
        cov_type="HAC", cov_kwds={"maxlags": found["lags"], "use_correction": False}
    )
    mine = [found["alpha"], *found["betas"].values()]
    assert [row["value"] for row in mine] == pytest.approx(peer.params.tolist(), rel=1e-9)
    assert [row["error"] for row in mine] == pytest.approx(peer.bse.tolist(), rel=1e-9)
    assert [row["t"] for row in mine] == pytest.approx(peer.tvalues.tolist(), rel=1e-9)
    assert [row["p_value"] for row in mine] == pytest.approx(peer.pvalues.tolist(), abs=1e-12)
    assert found["r_squared"] == pytest.approx(peer.rsquared, rel=1e-9)


def test_attribution_adds_up(sample):
    returns, factors = sample
    rows = exposures(returns, factors)["attribution"]
    assert sum(row["mean"] for row in rows.values()) == pytest.approx(returns.mean())
    assert sum(row["variance_share"] for row in rows.values()) == pytest.approx(1.0)
    assert rows["MKT_RF"]["variance_share"] > 0.5


def test_missing_rows_are_left_out(sample):
    returns, factors = sample
    holed = returns.copy()
    holed[10:60] = np.nan
    found = exposures(holed, factors)
    kept = np.isfinite(holed)
    cut = exposures(returns[kept], {name: x[kept] for name, x in factors.items()})
    assert found == cut
    assert found["rows"] == 550


def test_bad_regressions_are_refused(sample):
    returns, factors = sample
    with pytest.raises(Invalid) as few:
        exposures(returns[:20], {name: x[:20] for name, x in factors.items()})
    assert few.value.code == "risk.factors.too_few"
    with pytest.raises(Invalid) as constant:
        exposures(np.full(600, 0.01), factors)
    assert constant.value.code == "risk.factors.constant"
    with pytest.raises(Invalid) as singular:
        exposures(returns, {**factors, "AGAIN": 2 * factors["SMB"]})
    assert singular.value.code == "risk.factors.singular"


def test_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(3)
    common = rng.standard_normal(500)
    columns = {
        s: (common + rng.standard_normal(500)) * u
        for s, u in zip("ABCD", (1, 2, 3, 4), strict=True)
    }
    found = principal(columns, {"A": 0.5, "B": 0.5, "X": 0.1})
    block = np.column_stack(list(columns.values()))
    peer = PCA().fit((block - block.mean(axis=0)) / block.std(axis=0))
    assert found["explained"] == pytest.approx(peer.explained_variance_ratio_.tolist())
    first = np.array([rows[0] for rows in found["loadings"].values()])
    assert np.abs(first) == pytest.approx(np.abs(peer.components_[0]))
    assert first.sum() > 0
    assert sum(found["book"]) == pytest.approx(1.0)
    assert found["missing"] == ["X"]


def test_bad_components_are_refused():
    with pytest.raises(Invalid) as one:
        principal({"A": np.arange(50.0)}, {"A": 1.0})
    assert one.value.code == "risk.factors.too_few"
    with pytest.raises(Invalid) as still:
        principal({"A": np.arange(50.0), "B": np.ones(50)}, {"A": 1.0})
    assert still.value.code == "risk.factors.constant"
