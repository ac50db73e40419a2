"""Files in and out: what is refused, what is made safe."""

import json

import numpy as np
import pytest

from apps.backtests.kernel import tables
from apps.backtests.kernel.files import measure_file
from apps.backtests.kernel.panels import on_times, read_panel_file
from apps.core.errors import Invalid


def test_spreadsheets_run_no_cell():
    names = ["=1+1", "+x", "-2", "@a", "plain"]
    text = tables.to_csv({"=name": names, "n": np.array([1.5, -2.0, np.nan, 0, 1])})
    lines = text.splitlines()
    assert lines[0] == "'=name,n"
    assert lines[1:] == ["'=1+1,1.5", "'+x,-2.0", "'-2,", "'@a,0.0", "plain,1.0"]


@pytest.mark.parametrize("blank", ["", " ", "\t", "\r", " \t", "\n", "\u00a0", "\u3000"])
@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_blanks_before_a_formula_hide_nothing(blank, start):
    cell = f"{blank}{start}cmd|' /C calc'!A0"
    assert tables.safe_cell(cell) == f"'{cell}"


def test_plain_words_stay_as_they_are():
    assert tables.safe_cell(" plain = words - more") == " plain = words - more"
    assert tables.safe_cell("") == ""


def test_parquet_comes_back_and_is_the_same_bytes():
    table = {"a": np.array([1.0, np.nan]), "b": ["x", "y"], "c": np.array([1, 2])}
    content = tables.to_parquet(table)
    assert content == tables.to_parquet(table)
    back = tables.from_parquet(content)
    np.testing.assert_array_equal(back["a"], table["a"])
    assert back["b"].tolist() == ["x", "y"]


RETURNS = "date,a,b\n2020-01-03,0.02,0.01\n2020-01-02,-0.01,\n2020-01-06,0.01,0.02\n"


def test_returns_are_read_in_time_order_with_gaps():
    table = tables.read_returns(RETURNS.encode(), "r.csv")
    assert table.columns["a"].tolist() == [-0.01, 0.02, 0.01]
    assert np.isnan(table.columns["b"][0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date,a\n2020-01-02,0.1\n2020-01-02,0.2\n", "twice"),
        ("date,a\n2020-01-02,much\n", "'much' in row 1"),
        ("date,a\n2020-01-02,inf\n", "infinite in row 1"),
        ("date,a\nsoon,0.1\n", "not a time"),
        ("date,a\n,0.1\n2020-01-02,0.1\n", "every row needs a time"),
        ("a,b\n0.1,0.2\n", "no time column"),
        ("date\n2020-01-02\n", "nothing else"),
        ("", "can't be read"),
    ],
)
def test_bad_returns_are_refused(text, words):
    with pytest.raises(Invalid, match=words):
        tables.read_returns(text.encode(), "r.csv")


def test_figures_of_a_file():
    figures, notes = measure_file(RETURNS.encode(), "r.csv", benchmark="b", periods=252)
    assert set(figures) == {"a", "b"}
    assert figures["a"]["beta"] == pytest.approx(-1.0)
    assert notes[0] == "252 periods a year"
    json.dumps(figures, allow_nan=False)
    with pytest.raises(Invalid, match="it has a, b"):
        measure_file(RETURNS.encode(), "r.csv", benchmark="c")
    with pytest.raises(Invalid, match="neither a number nor a column"):
        measure_file(RETURNS.encode(), "r.csv", rf="cash")


BARS = "symbol,ts,open,high,low,close,volume\n"


def test_panel_is_read_from_a_tidy_file():
    rows = "A,2020-01-02,1,2,1,2,5\nB,2020-01-03,3,4,3,4,6\nA,2020-01-03,2,3,2,3,5\n"
    panel = read_panel_file((BARS + rows).encode(), "p.csv")
    assert panel.symbols == ("A", "B")
    np.testing.assert_array_equal(panel.close, [[2, np.nan], [3, 4]])
    assert str(panel.ts[0].astype("datetime64[us]"))[:10] == "2020-01-02"


def test_columns_beside_bars_are_read():
    head = "symbol,ts,open,high,low,close,volume,Dividends,Stock Splits,funding,colour\n"
    rows = "A,2020-01-02,1,2,1,2,5,0.5,,0.01,red\nB,2020-01-03,3,4,3,4,6,,2,,blue\n"
    panel = read_panel_file((head + rows).encode(), "p.csv", price_mode="split")
    assert set(panel.extras) == {"dividend", "split", "funding"}
    assert panel.price_mode == "split"
    np.testing.assert_array_equal(panel.extras["dividend"], [[0.5, 0], [0, 0]])
    np.testing.assert_array_equal(panel.extras["split"], [[0, 0], [0, 2]])
    np.testing.assert_array_equal(panel.extras["funding"], [[0.01, np.nan], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BARS + "A,2020-01-02,1,2,1,,5\n", "close of A"),
        (BARS + "A,2020-01-02,1,2,1,-1,5\n", "positive"),
        (BARS + "A,2020-01-02,1,2,1,x,5\n", "positive"),
        (BARS + "A,2020-01-02,1,2,1,2,5\nA,2020-01-02,1,2,1,2,5\n", "twice"),
        (BARS, "no bars"),
        ("ts,open\n2020-01-02,1\n", "lacks the column"),
        (f"{BARS[:-1]},dividend\nA,2020-01-02,1,2,1,2,5,-0.1\n", "numbers from 0 on"),
        (f"{BARS[:-1]},funding\nA,2020-01-02,1,2,1,2,5,much\n", "funding of A"),
        (f"{BARS[:-1]},split,splits\nA,2020-01-02,1,2,1,2,5,2,2\n", "more than one column"),
    ],
)
def test_bad_panels_are_refused(text, words):
    with pytest.raises(Invalid, match=words):
        read_panel_file(text.encode(), "p.csv")


def test_series_on_other_times_takes_the_last_value_known():
    found = on_times(np.array([1, 3, 5]), np.array([2, 3, 4]), np.array([1.0, 2.0, np.nan]))
    np.testing.assert_array_equal(found, [np.nan, 2.0, 2.0])
