"""What a scan reads of a strategy at the last bar."""

from dataclasses import replace

import numpy as np

from apps.strategies import selectors
from apps.strategies.kernel.interface import check_params
from apps.strategies.kernel.scanning import (
    HISTORY,
    batches,
    closed,
    consensus,
    one_symbol,
    readings,
)
from tests.unit.strategies.panels import crowded, crypto

HOUR = 3_600_000_000


def read(name, panel):
    strategy = selectors.get_strategy(name)
    return readings(strategy, check_params(strategy.spec, {}), panel)


def test_symbols_go_ten_at_a_time():
    names = [f"S{k}" for k in range(23)]
    assert [len(part) for part in batches(names)] == [10, 10, 3]
    assert [name for part in batches(names) for name in part] == names


def test_a_bar_that_has_not_closed_is_left_out():
    panel = crypto(100)
    last = int(panel.ts[-1])
    assert closed(panel, last + HOUR).n_bars == 100
    assert closed(panel, last + HOUR - 1).n_bars == 99
    assert closed(crypto(1600), 1 << 62).n_bars == HISTORY


def test_a_reading_is_the_position_and_the_turn_that_led_to_it():
    panel = crypto(900)
    strategy = selectors.get_strategy("donchian_breakout")
    position = strategy.prepare(panel, check_params(strategy.spec, {}))["position"]
    for column, one in enumerate(read("donchian_breakout", panel)):
        if one.refusal:
            continue
        held = position[:, column]
        assert one.side == held[-1]
        turn = 899 - one.bars_since
        assert held[turn] != held[turn - 1]
        assert (held[turn:] == held[-1]).all()
        assert one.signal_at == panel.ts[turn] + HOUR
        assert (one.bar_at, one.price) == (panel.ts[-1] + HOUR, panel.close[-1, column])


def test_a_score_comes_with_its_parts_and_what_is_missing():
    for one in read("geometric_breakout", crowded()):
        assert sum(one.components.values()) >= one.score - 1e-3
        assert set(one.components) == {"geometry", "momentum", "flow", "sentiment", "bonus"}
        assert "long_short_ratio" in one.missing
        assert "funding" not in one.missing


def test_a_hole_in_one_symbol_says_nothing_of_the_others():
    panel = crypto(600)
    close = panel.close.copy()
    close[300, 0] = np.nan
    found = read("legacy_trend", replace(panel, close=close))
    assert [one.refusal for one in found][:3] == ["panel.nan_bars", "", ""]
    assert panel.symbols[0] in found[0].reason


def test_a_symbol_without_bars_or_with_too_few_is_told():
    panel = crypto(600)
    assert not np.isfinite(panel.close[:, 3]).any()
    assert read("legacy_trend", panel)[3].refusal == "panel.too_short"
    assert read("pairs", panel)[3].refusal == "panel.no_bars"
    assert one_symbol(panel, 3).n_bars == 0


def test_strategies_that_compare_see_all_symbols():
    wanted = [one.side for one in read("momentum_12_1", crypto(900)) if not one.refusal]
    assert len(wanted) == 4
    assert {one.symbol for one in read("pairs", crypto(900))} == set(crypto(900).symbols)


def test_consensus_is_of_those_that_could_be_computed():
    rows = [("A", 1, ""), ("A", -1, ""), ("A", 1, ""), ("A", 0, "x"), ("B", 0, "x")]
    first, second = consensus(rows)
    assert (first.long, first.short, first.asked) == (2, 1, 3)
    assert first.lean == 1 / 3
    assert (second.asked, second.lean) == (0, 0.0)
