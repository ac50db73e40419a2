"""Formulas that group by sector, over the sectors the bundled sample comes with."""

import numpy as np
import pandas as pd
import pytest

from apps.backtests import selectors
from apps.core.errors import Invalid
from apps.market.selectors import read_panel
from tests.factories.market import sample_table

pytestmark = pytest.mark.django_db
NAMES = ["AAPL", "MSFT", "XOM", "CVX", "JPM", "BAC"]
BODY = {
    "strategy": "expression",
    "params": {"expression": "indneutralize(returns, sector)", "share": 0.34},
    "instruments": NAMES,
    "timeframe": "1d",
    "start": "2014-01-02",
    "end": "2014-06-30",
}


def test_a_panel_knows_the_sectors_of_the_constituents(sample, db):
    panel = read_panel(team_id=None, instruments=NAMES, timeframe="1d", inputs=["sector"])
    known = sample_table("sp500_constituents").set_index("symbol")["sector"]
    codes = pd.Series(panel.extras["sector"][0], list(panel.symbols))
    for one in NAMES:
        for other in NAMES:
            assert (codes[one] == codes[other]) == (known[one] == known[other])
    assert (panel.extras["sector"] == panel.extras["sector"][0]).all()
    unknown = read_panel(team_id=None, instruments=["SPY"], timeframe="1d", inputs=["sector"])
    assert np.isnan(unknown.extras["sector"]).all()


def test_a_group_formula_runs_and_needs_what_it_reads(sample, db):
    found = selectors.simulate(BODY)
    assert found["trades"] > 20
    plain = selectors.simulate(BODY | {"params": {"expression": "returns", "share": 0.34}})
    assert found["digest"] != plain["digest"]
    industry = {"expression": "indneutralize(returns, industry)"}
    for change, code in (
        ({"params": industry}, "expression.no_field"),
        ({"instruments": ["SPY", "IWM"]}, "expression.no_field"),
        ({"as_of": "2026-01-05"}, "inputs.no_versions"),
    ):
        with pytest.raises(Invalid) as refused:
            selectors.simulate(BODY | change)
        assert refused.value.code == code
