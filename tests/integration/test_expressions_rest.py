"""Formulas over REST: what editors are told of one, and previews on the bundled bars."""

import numpy as np
import pandas as pd
import pytest

from apps.market.selectors import read_panel
from apps.strategies.kernel.expressions import parse

JSON = "application/json"
FADE = "-delta(close, 5) / delay(close, 5)"


@pytest.fixture
def rest(api_as):
    return api_as("viewer")


def ask(client, path, body):
    return client.post(f"/api/v1/expressions{path}", body, content_type=JSON)


def test_a_formula_is_taken_apart(rest, db):
    found = ask(rest, "/check", {"expression": "rank(delta(close, 5)) * funding"}).json()
    assert (found["fields"], found["needs"]) == (["close", "funding"], ["funding"])
    tree = found["tree"]
    assert (tree["kind"], tree["name"], tree["column"]) == ("call", "mul", 23)
    ranked, funding = tree["args"]
    assert (ranked["name"], ranked["lookback"], ranked["unit"]) == ("rank", 5, "a plain number")
    assert (ranked["args"][0]["text"], ranked["args"][0]["unit"]) == ("delta(close, 5)", "price")
    assert (funding["kind"], funding["column"], funding["args"]) == ("field", 25, [])


def test_every_name_of_the_language_is_listed_as_it_is_written(rest, db):
    found = {entry["name"]: entry for entry in rest.get("/api/v1/expressions/operators").json()}
    assert found["ts_sum"]["usage"] == "ts_sum(x, d)"
    assert "sum" in found["ts_sum"]["aliases"]
    assert found["scale"]["arguments"][1] == {"name": "a", "kind": "number", "optional": True}
    assert (found["indneutralize"]["family"], found["add"]["usage"]) == ("group", "x + y")
    assert (found["funding"]["needs"], found["vwap"]["needs"]) == (["funding"], [])
    assert all(entry["words"] for entry in found.values())
    usages = [e["usage"] for e in found.values() if e["family"] in {"element", "across", "time"}]
    assert len(usages) > 25
    for usage in usages:
        names = {"x": "close", "y": "open", "z": "high", "d": "5", "a": "0.5"}
        head, inside = usage[:-1].split("(")
        written = ", ".join(names[part] for part in inside.split(", "))
        assert parse(f"{head}({written})")


def test_a_preview_agrees_with_a_plain_pandas_reading(rest, sample, team, db):
    body = {"expression": FADE, "universe": "crypto-perps", "horizon": 2, "buckets": 5}
    answer = ask(rest, "/preview", {**body, "start": "2025-12-01", "end": "2025-12-20"})
    assert answer.status_code == 200, answer.content
    found = answer.json()
    panel = read_panel(team_id=team, universe="crypto-perps", end="2025-12-20")
    shown = slice(
        int(np.searchsorted(panel.ts, np.datetime64("2025-12-01", "us").astype(int))), None
    )
    closes, opens = pd.DataFrame(panel.close), pd.DataFrame(panel.open)
    values = -(closes / closes.shift(5) - 1)[shown]
    ahead = (opens.shift(-3) / opens.shift(-1) - 1)[shown]
    ranks = values.rank(axis=1)
    ic = ranks.corrwith(ahead.rank(axis=1), axis=1)
    about = ranks.sub(ranks.mean(axis=1), axis=0)
    book = about.div(about.abs().sum(axis=1), axis=0)
    turnover = book.diff().abs().sum(axis=1, min_count=5) / 2
    close = {"rel": 1e-9, "nan_ok": True}
    assert (found["bars"], found["is_cut"], found["lookback"]) == (len(values), False, 5)
    assert plain(found["ic"]) == pytest.approx(ic.to_numpy(), **close)
    assert plain(found["turnover"]) == pytest.approx(turnover.to_numpy(), **close)
    assert plain(found["quantiles"]["p25"]) == pytest.approx(
        values.quantile(0.25, axis=1).to_numpy(), **close
    )
    each = ic.iloc[::2].dropna()
    assert {name: found["figures"][name] for name in ("ic", "ic_t", "turnover")} == pytest.approx(
        {
            "ic": ic.mean(),
            "ic_t": each.mean() / each.std() * len(each) ** 0.5,
            "turnover": turnover.mean(),
        }
    )
    over = ahead.sub(ahead.mean(axis=1), axis=0).to_numpy()
    best = over[(ranks == 5) & ahead.notna()].mean()
    assert found["buckets"][4] == pytest.approx(best)
    assert found["coverage"] == [1.0] * len(values)
    last = values.iloc[-1]
    assert found["highest"][0]["symbol"] == panel.symbols[last.idxmax()]
    assert found["highest"][0]["value"] == pytest.approx(last.max())


def plain(values):
    return np.array([np.nan if value is None else value for value in values])


def test_a_preview_shows_the_last_bars_and_says_so(rest, sample, db):
    found = ask(
        rest, "/preview", {"expression": "rank(volume)", "universe": "crypto-perps"}
    ).json()
    assert (found["bars"], found["is_cut"]) == (2500, True)
    assert found["ts"][-1].startswith("2026-03-05T10:00")


def test_a_preview_reads_what_crypto_has_beyond_bars(rest, sample, db):
    body = {"expression": "-rank(ts_mean(funding, 24))", "universe": "crypto-perps"}
    found = ask(rest, "/preview", body).json()
    assert found["figures"]["ic_bars"] > 1000


@pytest.mark.parametrize(
    ("change", "status", "code", "where"),
    [
        ({"expression": "rank(funding)"}, 422, "expression.no_field", ("column", 6)),
        ({"expression": "rank(returns) + open_interest / delay(open_interest, 5)"}, 422,
         "expression.no_field", ("column", 17)),
        ({"expression": "rank(close"}, 422, "expression.syntax", ("column", 11)),
        ({"expression": "rank(delay(close, -1))"}, 422, "expression.look_ahead", ("column", 19)),
        ({"expression": "rank_correlation(close, volume, 2500)"}, 422, "preview.too_costly",
         ("field", "universe")),
        ({"universe": "nothing"}, 404, "universe.unknown", ("field", "universe")),
        ({"horizon": 0}, 422, "preview.out_of_range", ("field", "horizon")),
        ({"buckets": 21}, 422, "preview.out_of_range", ("field", "buckets")),
        ({"start": "soon"}, 422, "dates.unreadable", ("field", "start")),
        ({"start": "2010-06-01", "end": "2010-06-05"}, 422, "panel.too_short", ("field", "start")),
    ],
)  # fmt: skip
def test_a_preview_is_refused_where_it_can_not_be_made(
    rest, sample, db, change, status, code, where
):
    body = {"expression": FADE, "universe": "sp500-sample", **change}
    answer = ask(rest, "/preview", body)
    found = answer.json()
    assert (answer.status_code, found["code"]) == (status, code)
    assert found["errors"][0][where[0]] == where[1]
