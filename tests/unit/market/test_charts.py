"""Figures are plain JSON and say what they show."""

from datetime import date

import numpy as np

from apps.core.rest import to_json
from apps.market.charts import candlestick
from apps.market.kernel.bars import Panel
from tests.factories.market import columns


def panel(close, **changes):
    bars = columns(close)
    arrays = {n: getattr(bars, n)[:, None] for n in ("open", "high", "low", "close", "volume")}
    return Panel(symbols=("ACME",), ts=bars.ts, timeframe="1d", **arrays, **changes)


def test_candles_volume_and_marks_of_the_bars_shown():
    actions = [
        {"kind": "split", "on": date(2024, 1, 2), "value": 2.0},
        {"kind": "dividend", "on": date(2024, 1, 3), "value": 0.5},
        {"kind": "dividend", "on": date(2023, 1, 3), "value": 0.4},
    ]
    figure = candlestick(panel([10.0, 11.0, 9.0]), actions, currency="USD")
    candles, volume, dividends, splits = figure["data"]
    assert candles["x"] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert candles["close"] == [10.0, 11.0, 9.0]
    assert volume["marker"]["color"] == ["$up/50", "$up/50", "$down/50"]
    assert (dividends["x"], splits["x"]) == (["2024-01-03"], ["2024-01-02"])
    assert figure["layout"]["title"]["text"] == "ACME fell 10.0% in the bars shown"
    assert "raw prices" in figure["layout"]["title"]["subtitle"]["text"]
    assert b"NaN" not in to_json(figure)


def test_weekends_are_left_out_only_where_venues_close():
    closes = panel(np.ones(3))
    assert "rangebreaks" in candlestick(closes, [], currency="USD")["layout"]["xaxis"]
    never = panel(np.ones(3), continuous=True)
    assert "rangebreaks" not in candlestick(never, [], currency="USD")["layout"]["xaxis"]
