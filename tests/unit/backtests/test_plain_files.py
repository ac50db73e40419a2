"""Plain CSV files are read without pandas, to the same bytes; all others as before."""

import io

import numpy as np
import pandas as pd
import pytest

from apps.backtests.kernel import panels
from apps.backtests.kernel.plain_files import plain_bars
from apps.core.errors import Invalid


def frame(symbols=("X",), bars=40, stamp="%Y-%m-%d"):
    rng = np.random.default_rng(3)
    parts = []
    for symbol in symbols:
        close = 100 * np.exp(rng.normal(0, 0.01, bars).cumsum())
        ts = pd.bdate_range("2020-01-01", periods=bars).strftime(stamp)
        columns = {"open": close * 1.001, "high": close + 1, "low": close - 1, "close": close}
        parts.append(pd.DataFrame({"symbol": symbol, "ts": ts, **columns, "volume": 7}))
    return pd.concat(parts, ignore_index=True)


def csv(table):
    return table.to_csv(index=False).encode()


def never(_content):
    """Take no file for a plain one."""


PLAIN = {
    "days": frame(),
    "times": frame(stamp="%Y-%m-%d %H:%M:%S"),
    "zone": frame(stamp="%Y-%m-%dT%H:%M:%SZ"),
    "fractions": frame(stamp="%Y-%m-%dT%H:%M:%S.%f"),
    "several with gaps": frame(("Z", "A", "M")).drop(index=[3, 45, 46]),
    "in any order": frame(("Z", "A")).sample(frac=1.0, random_state=1),
    "other names": frame().rename(columns={"ts": "Date", "close": " Close "}),
    "whole numbers": frame().round(0).astype({"close": int}),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_is_read_to_the_same_bytes(name, monkeypatch):
    content = csv(PLAIN[name])
    assert plain_bars(content) is not None
    quick = panels.read_panel_file(content, "bars.csv")
    monkeypatch.setattr(panels, "plain_bars", never)
    slow = panels.read_panel_file(content, "bars.csv")
    assert (quick.digest, quick.symbols) == (slow.digest, slow.symbols)
    assert quick.continuous == slow.continuous


def test_numbers_are_the_nearest_to_what_is_written(monkeypatch):
    written = ["0.1", "3.0000000000000004", "97.12345678901234567", "123456789.123456789"]
    rows = "\n".join(f"X,2020-01-0{k + 1},{w},{w},{w},{w},1" for k, w in enumerate(written))
    content = f"symbol,ts,open,high,low,close,volume\n{rows}\n".encode()
    for reader in (plain_bars, never):
        monkeypatch.setattr(panels, "plain_bars", reader)
        panel = panels.read_panel_file(content, "bars.csv")
        assert panel.close[:, 0].tolist() == [float(text) for text in written]


NOT_PLAIN = {
    "empty cell": (frame().replace({"volume": {7: None}}), "panel.bad_value"),
    "price of zero": (frame().assign(low=0.0), "panel.bad_value"),
    "infinite": (frame().assign(high=np.inf), "panel.bad_value"),
    "words": (frame().assign(close="high"), "panel.bad_value"),
    "no time": (frame().assign(ts="later"), "panel.time"),
    "twice": (pd.concat([frame(), frame()]), "panel.duplicate"),
    "no rows": (frame(bars=0), "panel.no_bars"),
    "no open": (frame().drop(columns="open"), "panel.columns"),
    "dividends": (frame().assign(dividend=0.5), None),
    "American dates": (frame(stamp="%m/%d/%Y"), None),
    "symbols that are numbers": (frame(("700", "5")), None),
    "no symbol": (frame().drop(columns="symbol"), None),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_any_other_file_is_left_to_pandas(name):
    table, code = NOT_PLAIN[name]
    assert plain_bars(csv(table)) is None
    if code is None:
        assert panels.read_panel_file(csv(table), "bars.csv").n_bars == 40
        return
    with pytest.raises(Invalid) as error:
        panels.read_panel_file(csv(table), "bars.csv")
    assert error.value.code == code


def test_parquet_is_read_by_its_name():
    sink = io.BytesIO()
    frame().to_parquet(sink)
    assert panels.read_panel_file(sink.getvalue(), "bars.PARQUET").n_bars == 40
