"""The language: what parses, how it reads back, and what each refusal points at."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.strategies.kernel.expressions import (
    OPERATORS,
    Call,
    Field,
    Number,
    describe,
    lookback,
    parse,
    remarks,
    render,
    unit_of,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("close", "close"),
        ("  rank( delta(close,5) ) ", "rank(delta(close, 5))"),
        ("open+high*low", "open + high * low"),
        ("(open+high)*low", "(open + high) * low"),
        ("open-(high-low)", "open - (high - low)"),
        ("open-high-low", "open - high - low"),
        ("-close^2", "-power(close, 2)"),
        ("(-close)^2", "power(-close, 2)"),
        ("2^close^2", "power(2, power(close, 2))"),
        ("-(open-close)", "-(open - close)"),
        ("close - -2", "close - -2"),
        ("Ts_Rank(CLOSE, 7)", "ts_rank(close, 7)"),
        ("min(close, 5)", "ts_min(close, 5)"),
        ("min(close, open)", "min(close, open)"),
        ("scale(close)", "scale(close, 1)"),
        ("adv20 / volume", "ts_mean(close * volume, 20) / volume"),
        ("open < close ? 1 : -1", "where(open < close, 1, -1)"),
        ("(open < close) == (high < low)", "(open < close) == (high < low)"),
        ("open < close || high > 2 && low < 3", "open < close || high > 2 && low < 3"),
    ],
)
def test_text_is_read_and_written_back(text, canonical):
    assert render(parse(text, with_units=False)) == canonical
    assert parse(canonical, with_units=False) == parse(text, with_units=False)


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("", "expression.syntax", 1),
        ("   ", "expression.syntax", 1),
        ("rank(close", "expression.syntax", 11),
        ("rank close", "expression.unknown_name", 1),
        ("close open", "expression.syntax", 7),
        ("close $ open", "expression.syntax", 7),
        ("close +", "expression.syntax", 8),
        ("open < close < high", "expression.syntax", 14),
        ("rank(clsoe)", "expression.unknown_name", 6),
        ("rnk(close)", "expression.unknown_name", 1),
        ("sector", "expression.type", 1),
        ("rank(close - sector)", "expression.type", 14),
        ("indneutralize(close, volume)", "expression.type", 22),
        ("close + volume", "expression.mixed_units", 7),
        ("rank(returns) * (open > volume)", "expression.mixed_units", 23),
        ("max(close, volume)", "expression.mixed_units", 1),
        ("ts_mean(ts_mean(ts_mean(close, 2500), 2500), 2500)", "expression.lookback", 1),
        ("__import__(close)", "expression.unknown_name", 1),
        ("delta(close)", "expression.arity", 1),
        ("1 + rank(close, 3)", "expression.arity", 5),
        ("delay(close, -1)", "expression.look_ahead", 14),
        ("rank(delta(close, -5))", "expression.look_ahead", 19),
        ("ts_mean(close, - 5)", "expression.look_ahead", 16),
        ("ts_mean(close, 0)", "expression.window", 16),
        ("ts_mean(close, 2.5)", "expression.window", 16),
        ("ts_mean(close, 1000000)", "expression.window", 16),
        ("ts_mean(close, volume)", "expression.window", 16),
        ("adv0", "expression.window", 1),
        ("ts_mean(3, 5)", "expression.type", 9),
        ("scale(close, open)", "expression.type", 14),
        ("1 + 2", "expression.constant", 1),
        ("close * 1e999", "expression.syntax", 9),
        ("close.real", "expression.syntax", 6),
        ("close; drop", "expression.syntax", 6),
        ("(" * 200 + "close" + ")" * 200, "expression.too_deep", 61),
        ("close" + " + close" * 240, "expression.too_large", 1),
        ("close + " * 300 + "close", "expression.too_long", 2001),
        ("2^" * 900 + "close", "expression.too_deep", None),
    ],
)
def test_a_refusal_points_at_its_column(text, code, column):
    with pytest.raises(Invalid) as refusal:
        parse(text)
    assert refusal.value.code == code
    if column is not None:
        assert refusal.value.details["column"] == column
        assert refusal.value.message.startswith(f"Column {column}: ")


@pytest.mark.parametrize("text", ["Alpha#101", "alpha101", " ALPHA 101 "])
def test_a_published_formula_is_read_by_its_name(text):
    written = "(close - open) / (high - low + .001)"
    assert parse(text, with_units=False) == parse(written, with_units=False)


@pytest.mark.parametrize(("text", "column"), [("Alpha#56", 7), ("alpha102", 6), ("alpha 0", 7)])
def test_a_number_the_catalogue_lacks_is_refused(text, column):
    with pytest.raises(Invalid) as refusal:
        parse(text)
    assert refusal.value.code == "expression.not_published"
    assert refusal.value.details["column"] == column


def test_a_misspelt_name_is_met_with_the_nearest():
    with pytest.raises(Invalid, match="did you mean 'close'"):
        parse("rank(clsoe)")


def test_extras_are_fields_when_the_panel_has_them():
    assert parse("rank(funding)", extras=("funding",)) == Call("rank", (Field("funding"),))
    with pytest.raises(Invalid):
        parse("rank(funding)")


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        ("close", 0),
        ("returns", 1),
        ("delay(close, 3)", 3),
        ("ts_mean(close, 3)", 2),
        ("ts_mean(delta(returns, 5), 10) + rank(delay(close, 12))", 15),
        ("adv20", 19),
        ("correlation(ts_rank(close, 5), delay(volume, 9), 10)", 18),
    ],
)
def test_lookback_is_inferred(text, bars):
    assert lookback(parse(text)) == bars


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("close - open", (1, 0)),
        ("close * volume", (1, 1)),
        ("close / open", (0, 0)),
        ("rank(close) + returns", (0, 0)),
        ("(high * low)^0.5", (1, 0)),
        ("covariance(close, volume, 5)", (1, 1)),
        ("close < open ? close : open", (1, 0)),
        ("(close - open) / (high - low + .001)", (0, 0)),
    ],
)
def test_units_are_inferred(text, unit):
    assert unit_of(parse(text)) == unit
    assert remarks(parse(text)) == []


def test_unlike_units_are_remarked_on():
    mixed = parse("rank(close + volume)", with_units=False)
    assert remarks(mixed) == ["close + volume mixes price and volume."]
    assert len(remarks(parse("close > returns", with_units=False))) == 1
    assert remarks(parse("bare(close) > bare(volume)")) == []
    assert len(remarks(parse("returns < 0 ? stddev(returns, 20) : close"))) == 1


def test_an_expression_is_put_in_words():
    words = describe(parse("-rank(delta(close, 5)) * (volume / ts_mean(volume, 20))"))
    assert words == (
        "minus the rank among instruments of the 5-bar change of the close times "
        "(the volume divided by the 20-bar mean of the volume)"
    )


def trees():
    leaves = st.sampled_from([Field("close"), Field("volume"), Field("returns")])
    numbers = st.integers(-9, 9).map(lambda value: Number(float(value)))

    def grow(inner):
        calls = []
        for operator in OPERATORS.values():
            kinds = {
                "x": inner,
                "d": st.integers(1, 30).map(lambda value: Number(float(value))),
                "n": numbers,
                "g": st.sampled_from([Field("sector"), Field("industry")]),
            }
            parts = st.tuples(*(kinds[kind] for kind in operator.kinds))
            calls.append(parts.map(lambda args, name=operator.name: Call(name, args)))
        return st.one_of(*calls)

    return st.recursive(leaves, grow, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(trees())
def test_every_tree_is_written_so_that_it_reads_back_the_same(tree):
    assert parse(render(tree), with_units=False) == tree
    assert describe(tree)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("rankdeltclos(),.0123456789+-*/<>=?:&|^ ", max_size=60))
def test_no_text_breaks_the_parser(text):
    refusal = refusal_of(text)
    if refusal is not None:
        assert refusal.code.startswith("expression.")
        assert 1 <= refusal.details["column"] <= len(text) + 1


def refusal_of(text):
    try:
        parse(text)
    except Invalid as refusal:
        return refusal
    return None
