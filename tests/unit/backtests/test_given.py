"""Orders, weights and signals of a request on real bars: fills, states, reasons, MAE and MFE.

Apple and Microsoft in January 2012, raw prices; every figure follows by hand from these bars:

    day       open     high     low     close        MSFT open  close
    01-03  409.4000  412.5000  409.00  411.230         26.5500  26.765
    01-04  410.0000  414.6800  409.28  413.440         26.8199  27.400
    01-05  414.9500  418.5500  412.67  418.030
    01-06  419.7700  422.7500  419.22  422.400
    01-09  425.5001  427.7500  421.35  421.730
    01-18  426.9600                                    28.3100
    01-19            431.3690  (the highest before 01-24)
    01-23  422.6700  428.4500  422.30  427.409
    01-24  425.1001  425.1001  419.55  420.410
    01-25  454.4400  454.4500  443.73  446.660
    01-26  448.3600  448.7900  443.14  444.630
    01-27  444.3400  448.4800  443.77  447.280
    01-30  445.7100  453.9000  445.39  453.010
    01-31  455.5900  458.2400  453.07  456.480
    02-02  455.9000
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from apps.backtests.kernel.given import read_given
from apps.backtests.kernel.laid import lay_orders, lay_weights
from apps.backtests.kernel.order_records import orders_and_fills
from apps.backtests.kernel.records import positions_table, trades_table
from apps.backtests.kernel.reports import compute, play
from apps.backtests.kernel.requests import read_request
from apps.core.errors import Invalid
from apps.strategies.library.given import Given as GivenStrategy
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.strategies.panels import SAMPLE, crypto, panel_of

BODY = {"instruments": ["AAPL", "MSFT"], "cash": 100_000, "price_mode": "raw", "benchmark": "none"}
ORDERS = """ts,symbol,side,quantity,kind,price,bars,stop_loss,take_profit
2012-01-03,AAPL,buy,100,,,,,
2012-01-04,AAPL,sell,50,limit,425,,,
2012-01-04,AAPL,buy,10,limit,400,3,,
2012-01-20,AAPL,sell,50,stop,419.60,,,
2012-01-24,AAPL,buy,20,limit,446,,440,455
2012-02-01,AAPL,buy,1000,,,,,
"""


@cache
def bars():
    found = pd.read_parquet(SAMPLE / "sp500_daily.parquet")
    span = (found["ts"] >= "2012-01-03") & (found["ts"] < "2012-02-03")
    return panel_of(found[span & found["symbol"].isin(["AAPL", "MSFT"])], "1d")


def report_of(**body):
    return compute(bars(), GivenStrategy(), {}, read_request(BODY | body))


def tables_of(report):
    return orders_and_fills(report.result, report.panel, report.decided)


@pytest.fixture(scope="module")
def played():
    return report_of(orders=ORDERS, costs={"fee_bps": 10})


def test_orders_fill_as_worked_out_by_hand(played):
    _, fills = tables_of(played)
    days = [str(np.datetime64(int(t), "us"))[5:10] for t in fills["ts"]]
    cash = 101_345.518195  # before the last order, see the additions below
    cash_by_hand = 100_000 - 100 * 410.0 * 1.001 + 50 * 425.5001 * 0.999 + 50 * 419.6 * 0.999
    cash_by_hand += -20 * 446.0 * 1.001 + 20 * 455.59 * 0.999
    assert cash == pytest.approx(cash_by_hand, abs=1e-6)
    expected = [
        ("01-04", 100.0, 410.0, "open", 1),
        ("01-09", -50.0, 425.5001, "open", 2),  # the open passed the limit: its price, not 425
        ("01-24", -50.0, 419.60, "within", 4),
        ("01-25", 20.0, 446.0, "within", 5),
        ("01-31", -20.0, 455.59, "open", 6),  # the take profit of order 5
        ("02-02", cash / (455.90 * 1.001), 455.90, "open", 8),
    ]
    found = zip(
        days, fills["quantity"], fills["price"], fills["moment"], fills["order"], strict=True
    )
    for got, wanted in zip(found, expected, strict=True):
        assert got == (wanted[0], pytest.approx(wanted[1]), pytest.approx(wanted[2]), *wanted[3:])
    np.testing.assert_allclose(fills["fee"], np.abs(fills["quantity"] * fills["price"]) * 1e-3)


def test_every_order_tells_its_state_and_why(played):
    orders, _ = tables_of(played)
    names = [str(np.datetime64(int(t), "us"))[5:10] for t in orders["ended_ts"]]
    assert list(zip(orders["kind"], orders["state"], names, orders["reason"], strict=True)) == [
        ("market", "filled", "01-04", ""),
        ("limit", "filled", "01-09", ""),
        ("limit", "expired", "01-09", "not filled within its 3 bars"),
        ("stop", "filled", "01-24", ""),
        ("limit", "filled", "01-25", ""),
        ("limit", "filled", "01-31", ""),
        ("stop", "cancelled", "01-31", "the other side of its bracket was filled"),
        (
            "market",
            "refused",
            "02-02",
            "cut to what cash and leverage allow; the rest was refused",
        ),
    ]
    assert orders["parent"].tolist() == [0, 0, 0, 0, 0, 5, 5, 0]
    assert orders["average_price"][4] == 446.0
    assert orders["filled"].tolist()[:6] == [100.0, -50.0, 0.0, -50.0, 20.0, -20.0]


def test_excursions_follow_from_highs_and_lows(played):
    trades = trades_table(played.result, played.panel)
    by_hand = [
        # entry, exit, bars held, MAE, MFE
        (410.0, 425.5001, 3, (410 - 409.28) / 410, (425.5001 - 410) / 410),
        (410.0, 419.60, 13, (410 - 409.28) / 410, (431.369 - 410) / 410),
        (446.0, 455.59, 4, (446 - 443.14) / 446, (455.59 - 446) / 446),
    ]
    names = ("entry_price", "exit_price", "bars_held", "mae", "mfe")
    for row, wanted in enumerate(by_hand):
        assert [trades[name][row] for name in names] == pytest.approx(wanted), row
    assert trades["is_open"].tolist() == [False, False, False, True]
    assert trades["fees"][2] == pytest.approx(20 * (446 + 455.59) * 1e-3)
    assert trades["pnl"][2] == pytest.approx(20 * (455.59 - 446) - trades["fees"][2])


def test_positions_tell_what_was_held_after_each_change(played):
    table = positions_table(played.result, played.panel)
    assert table["quantity"][:5].tolist() == [100.0, 50.0, 0.0, 20.0, 0.0]
    assert table["change"][:2].tolist() == [100.0, -50.0]
    assert table["value"][0] == 100 * 413.44
    equity = 100_000 - 41_041 + 100 * 413.44
    assert table["weight"][0] == pytest.approx(41_344 / equity)


def test_a_bracket_that_a_gap_has_passed_gets_the_price_there_was():
    # 01-25 opened at 454.44, beyond the stop of the short and the profit of the long.
    short = {"size": -10, "kind": "limit", "price": 425, "stop_loss": 440, "take_profit": 400}
    long = {"size": 10, "kind": "stop", "price": 430, "stop_loss": 420, "take_profit": 440}
    for order in (short, long):
        rows = [{"ts": "2012-01-24", "symbol": "AAPL", **order}]
        report = report_of(orders=rows)
        np.testing.assert_allclose(report.result.fills.price, [454.44, 454.44])
        assert report.result.equity[-1] == pytest.approx(100_000)


def test_a_stop_limit_shows_both_its_levels():
    row = {"ts": "2012-01-04", "symbol": "AAPL", "kind": "stop_limit"}
    touched = row | {"size": 10, "price": 422, "limit": 425}
    waits = row | {"size": 10, "price": 600, "limit": 601}
    orders, fills = tables_of(report_of(orders=[touched, waits]))
    assert orders["state"] == ["filled", "working"]
    # On 01-06 the high of 422.75 touched the stop.
    assert (fills["price"][0], orders["made_bar"][0], fills["bar"][0]) == (422.0, 1, 3)
    assert (orders["kind"][1], orders["price"][1], orders["limit"][1]) == ("stop_limit", 600, 601)
    assert np.isnan(orders["trail"]).all()
    assert orders["side"] == ["buy", "buy"]


def test_weights_and_signals_buy_what_they_say():
    weights = "ts,AAPL,MSFT\n2012-01-03,0.5,0.5\n2012-01-17,0,1\n"
    fills = report_of(targets=weights).result.fills
    apple, soft = 50_000 / 410.0, 50_000 / 26.8199
    equity = apple * 426.96 + soft * 28.31
    np.testing.assert_allclose(fills.quantity, [apple, soft, -apple, equity / 28.31 - soft])
    signals = {"2012-01-03": {"AAPL": 1, "MSFT": -1}}
    fills = report_of(signals=signals).result.fills
    np.testing.assert_allclose(fills.quantity, [apple, -soft])
    fills = report_of(signals=signals, signal_weight=0.1).result.fills
    np.testing.assert_allclose(fills.quantity, [apple / 5, -soft / 5])


def test_targets_become_orders_with_their_weight():
    weights = "ts,AAPL,MSFT\n2012-01-03,0.5,\n2012-01-17,0.5,0\n2012-02-02,1,\n"
    report = report_of(targets=weights, execution={"stop_loss": 0.05, "take_profit": 0.1})
    orders, fills = tables_of(report)
    assert orders["kind"] == ["target", "target", "take_profit", "target"]
    assert orders["state"] == ["filled", "filled", "filled", "waiting"]
    assert orders["reason"][3] == "no bar came after it"
    assert orders["weight"][[0, 1, 3]].tolist() == [0.5, 0.5, 1.0]
    # On 01-25 it opened at 454.44, more than a tenth above the average price paid.
    assert orders["average_price"][2] == 454.44
    assert fills["order"].tolist() == [1, 2, 3]
    days = [str(np.datetime64(int(t), "us"))[5:10] for t in orders["made_ts"]]
    assert days == ["01-03", "01-17", "01-25", "02-02"]


def test_orders_are_played_beside_a_strategy():
    rows = [{"ts": "2012-01-06", "symbol": "MSFT", "size": 100}]
    body = BODY | {"strategy": "sma_crossover", "orders": rows}
    asked = read_request(body)
    report = compute(bars(), SmaCrossover(), {"fast": 2, "slow": 5, "short": False}, asked)
    orders, fills = tables_of(report)
    assert orders["kind"][0] == "market"
    assert "target" in orders["kind"]
    mine = fills["order"] == 1
    assert (fills["quantity"][mine], fills["price"][mine]) == (100.0, 28.05)


def test_a_day_order_ends_with_the_day():
    panel = crypto(100)
    at = np.datetime64(int(panel.ts[30]), "us")
    row = {"ts": f"{at}Z", "symbol": panel.symbols[0], "size": 1, "kind": "limit", "price": 1.0}
    rows = read_given({"orders": [row | {"time_in_force": "day"}, row]}).orders
    (bar, day), (_, until) = lay_orders(rows, panel, np.zeros(panel.n_assets))
    days = panel.ts // 86_400_000_000
    assert bar == 30
    assert until.bars == 0
    assert days[bar + day.bars] == days[bar + 1] < days[bar + day.bars + 1]


def test_rows_give_the_same_however_they_are_written():
    wide = read_given({"targets": "ts,AAPL,MSFT\n2012-01-03,0.25,\n2012-01-04,,-1\n"})
    tidy = read_given(
        {"targets": "date,symbol,weight\n2012-01-03,AAPL,0.25\n2012-01-04,MSFT,-1\n"}
    )
    cells = read_given({"targets": {"2012-01-03": {"AAPL": 0.25}, "2012-01-04": {"MSFT": -1}}})
    assert wide.summary() == tidy.summary() == cells.summary()
    sized = read_given({"orders": [{"ts": "2012-01-03", "symbol": "AAPL", "size": -5}]})
    sided = read_given({"orders": "ts,symbol,side,quantity\n2012-01-03,AAPL,sell,5\n"})
    assert sized == sided


# Bad input.

GOOD = {"ts": "2012-01-04", "symbol": "AAPL", "size": 10}
LIMIT = GOOD | {"kind": "limit", "price": 400}


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ({"symbol": "APPL"}, "symbol", "symbol.unknown"),
        ({"symbol": None}, "symbol", "row.symbol"),
        ({"ts": "2011-12-30"}, "ts", "ts.outside"),
        ({"ts": "2012-01-07"}, "ts", "ts.not_a_bar"),
        ({"ts": "2012-01-04T15:30:00Z"}, "ts", "ts.not_a_bar"),
        ({"ts": "tomorrow"}, "ts", "row.ts"),
        ({"size": float("nan")}, "size", "row.not_finite"),
        ({"size": float("inf")}, "size", "row.not_finite"),
        ({"size": 0}, "size", "row.size"),
        ({"size": True}, "size", "row.not_finite"),
        ({"size": None}, "size", "row.size"),
        ({"size": 0.4}, "size", "order.below_lot"),
        ({"side": "buy", "quantity": 3}, "size", "row.size"),
        ({"kind": "iceberg"}, "kind", "row.kind"),
        ({"kind": "limit"}, "price", "row.level"),
        ({"kind": "stop_limit", "price": 500}, "limit", "row.level"),
        ({"price": 400}, "price", "row.level"),
        ({"kind": "trailing", "trail": 1.5}, "trail", "row.range"),
        ({"stop_loss": 420}, "stop_loss", "bracket.side"),
        ({"take_profit": 410}, "take_profit", "bracket.side"),
        ({"size": -10, "stop_loss": 410}, "stop_loss", "bracket.side"),
        (LIMIT | {"stop_loss": 405}, "stop_loss", "bracket.side"),
        (LIMIT | {"take_profit": 399}, "take_profit", "bracket.side"),
        ({"stop_loss": 400, "trailing_stop": 0.1}, "trailing_stop", "bracket.two_stops"),
        ({"time_in_force": "fok"}, "time_in_force", "row.life"),
        ({"bars": 2, "time_in_force": "day"}, "bars", "row.life"),
        ({"bars": 1.5}, "bars", "row.life"),
        ({"expires": "2012-01-04"}, "expires", "row.life"),
        ({"colour": "red"}, "colour", "row.unknown_field"),
    ],
)
def test_a_bad_order_is_named_by_row_and_field(row, field, code):
    rows = [GOOD, {k: v for k, v in (GOOD | row).items() if v is not None}, GOOD]
    with pytest.raises(Invalid) as refusal:
        lay_orders(read_given({"orders": rows}).orders, bars(), np.ones(2))
    assert refusal.value.code == "orders.rows"
    found = refusal.value.details["rows"]
    assert [(f["row"], f["field"], f["code"]) for f in found] == [(2, field, code)]
    assert "Row 2: " in refusal.value.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"targets": "ts,AAPL\n2012-01-03,nan\n"}, "targets.rows"),
        ({"targets": "ts,AAPL\n2012-01-03,1\n2012-01-03,0\n"}, "targets.rows"),
        ({"targets": "ts,GOOG\n2012-01-03,1\n"}, "targets.rows"),
        ({"targets": "ts,AAPL\n2012-01-08,1\n"}, "targets.rows"),
        ({"targets": {"2012-01-03": {"AAPL": 1e6}}}, "targets.rows"),
        ({"targets": "symbol,weight\nAAPL,1\n"}, "targets.unreadable"),
        ({"targets": 5}, "targets.unreadable"),
        ({"signals": "ts,AAPL\n2012-01-03,0.5\n"}, "signals.rows"),
        ({"signals": "ts,AAPL\n2012-01-03,1\n", "signal_weight": 0}, "signals.weight"),
        ({"signals": "ts,AAPL\n2012-01-03,1\n", "targets": [GOOD]}, "signals.beside_targets"),
        ({"strategy": "given"}, "given.nothing"),
        ({"orders": [GOOD], "signal_weight": 0.5}, "signals.weight"),
        ({"orders": [GOOD], "fill": "close"}, "fill.comparison_only"),
        (
            {"strategy": "buy_and_hold", "targets": "ts,AAPL\n2012-01-03,1\n"},
            "given.beside_strategy",
        ),
    ],
)
def test_bad_weights_and_mixtures_are_refused(body, code):
    with pytest.raises(Invalid) as refusal:
        lay_weights(read_request(BODY | body).given, bars())
    assert refusal.value.code == code


def test_all_bad_rows_are_named_at_once():
    rows = [GOOD | {"symbol": f"X{i}"} for i in range(5)]
    with pytest.raises(Invalid, match=r"5 rows are wrong\. Row 1: X0 .* And 2 more\.") as refusal:
        lay_orders(read_given({"orders": rows}).orders, bars(), np.zeros(2))
    assert [fault["row"] for fault in refusal.value.details["rows"]] == [1, 2, 3, 4, 5]


def test_thousands_of_orders_are_played():
    panel = crypto(1000)
    name = panel.symbols[0]
    rows = [
        {"ts": f"{np.datetime64(int(ts), 'us')}Z", "symbol": name, "size": 0.001 * (-1) ** i}
        for i, ts in enumerate(panel.ts[:-1])
    ] * 3
    body = {"instruments": [name], "orders": rows, "cash": 1e6, "timeframe": "1h"}
    result = play(panel, np.full(panel.close.shape, np.nan), read_request(body))
    orders, fills = orders_and_fills(result, panel, None)
    assert set(orders["state"]) == {"filled"}
    assert len(fills["bar"]) == len(rows)
