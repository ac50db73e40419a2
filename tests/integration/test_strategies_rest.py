"""Strategies over REST: what a client relies on, and what it is refused."""

import pytest

JSON = "application/json"


@pytest.fixture
def rest(api_as):
    return api_as("researcher")


def ask(client, path, body):
    return client.post(f"/api/v1{path}", body, content_type=JSON)


FORMULA = {"name": "fade", "title": "Fade", "params": {"expression": "-delta(close, 5)"}}


def test_the_library_declares_parameters_and_sources(rest, db):
    found = {m["name"]: m for m in rest.get("/api/v1/library").json()}
    assert {"buy_and_hold", "sma_crossover", "momentum_12_1", "expression"} <= set(found)
    fast = next(p for p in found["sma_crossover"]["parameters"] if p["name"] == "fast")
    assert (fast["kind"], fast["default"], fast["low"]) == ("int", 10, 1)


def test_a_strategy_is_made_read_changed_and_compared(rest, db):
    made = ask(rest, "/strategies", FORMULA)
    assert made.status_code == 201, made.content
    first = made.json()
    path = f"/strategies/{first['strategy_id']}"
    second = ask(rest, f"{path}/versions", {"params": {"expression": "-delta(close, 9)"}})
    assert second.status_code == 201
    again = ask(rest, f"{path}/versions", {"params": {"expression": "-delta(close, 9)"}})
    assert (again.status_code, again.json()["code"]) == (409, "version.same")
    shown = rest.get(f"/api/v1{path}").json()
    assert (shown["versions"], shown["latest"]["number"]) == (2, 2)
    listed = rest.get(f"/api/v1{path}/versions").json()["items"]
    assert {row["number"] for row in listed} == {1, 2}
    later, earlier = second.json()["id"], first["id"]
    diff = rest.get(f"/api/v1/versions/{later}/diff?against={earlier}").json()
    assert diff["params"] == [
        {"name": "expression", "before": "-delta(close, 5)", "after": "-delta(close, 9)"}
    ]
    assert rest.get(f"/api/v1/versions/{later}").json()["source"] == "-delta(close, 9)"


def test_who_saves_over_a_newer_version_is_told_and_loses_nothing(rest, db):
    first = ask(rest, "/strategies", FORMULA).json()
    path = f"/strategies/{first['strategy_id']}/versions"
    theirs = ask(rest, path, {"params": {"expression": "-delta(close, 6)"}, "base": first["id"]})
    assert theirs.status_code == 201, theirs.content
    mine = {"params": {"expression": "-delta(close, 7)"}, "base": first["id"]}
    refused = ask(rest, path, mine)
    assert (refused.status_code, refused.json()["code"]) == (409, "version.newer")
    newest = refused.json()["errors"][0]
    assert (newest["version_id"], newest["number"]) == (theirs.json()["id"], 2)
    body = {"source": "-delta(close, 7)", "params": mine["params"]}
    unlike = ask(rest, f"/versions/{newest['version_id']}/compare", body).json()
    assert (unlike["added"], unlike["removed"]) == (1, 1)
    assert [part["text"] for part in unlike["rows"][0]["after"] if part["changed"]] == ["7"]
    kept = ask(rest, path, {**mine, "base": newest["version_id"]})
    assert (kept.status_code, kept.json()["number"]) == (201, 3)


def test_a_version_is_ensured_by_name(rest, db):
    body = {"strategy": "sma_crossover", "params": {"fast": 5, "slow": 20}}
    first, second = ask(rest, "/versions", body), ask(rest, "/versions", body)
    assert first.status_code == 200, first.content
    assert first.json() == second.json()
    assert rest.get("/api/v1/versions?stage=draft").json()["items"][0] == first.json()
    assert rest.get("/api/v1/versions?stage=live").json()["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/versions", {"strategy": "luck"}, 404, "plug.unknown"),
        ("/versions", {"strategy": 123456}, 404, "version.not_found"),
        ("/versions", {}, 422, "invalid.fields"),
        ("/versions", {"strategy": "sma_crossover", "params": {"fast": -1}}, 422,
         "params.out_of_range"),
        ("/strategies", {**FORMULA, "kind": "python"}, 422, "strategy.kind"),
        ("/strategies", {**FORMULA, "name": "x" * 81}, 422, "invalid.fields"),
        ("/strategies/999/versions", {"params": {}}, 404, "strategy.not_found"),
        ("/expressions/check", {"expression": "rank("}, 422, "expression.syntax"),
    ],
)  # fmt: skip
def test_bad_requests_are_answered_with_a_code(rest, db, path, body, status, code):
    answer = ask(rest, path, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_expression_error_carries_its_column(rest, db):
    answer = ask(rest, "/expressions/check", {"expression": "delay(close, -3)"}).json()
    assert answer["code"] == "expression.look_ahead"
    assert answer["errors"][0]["column"] == 14


def test_an_expression_is_read(rest, db):
    found = ask(rest, "/expressions/check", {"expression": "rank( close*volume )"}).json()
    found.pop("tree")
    assert found == {
        "expression": "rank(close * volume)",
        "words": "the rank among instruments of (the close times the volume)",
        "lookback": 0,
        "unit": "a plain number",
        "remarks": [],
        "fields": ["close", "volume"],
        "needs": [],
    }


def test_unlike_units_are_refused_at_their_column(rest, db):
    answer = ask(rest, "/expressions/check", {"expression": "rank(close + volume)"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "expression.mixed_units"
    assert answer.json()["errors"][0]["column"] == 12


def test_a_published_formula_is_found_and_opened_as_a_version(rest, db):
    found = rest.get("/api/v1/expressions/catalogue", {"text": "indneutralize"}).json()
    assert {entry["name"] for entry in found} >= {"Alpha#48", "Alpha#100"}
    (last,) = rest.get("/api/v1/expressions/catalogue", {"text": "alpha#101"}).json()
    assert (last["lookback"], last["unit"], last["needs"]) == (0, "a plain number", [])
    params = {"expression": last["expression"]}
    made = ask(rest, "/versions", {"strategy": "expression", "params": params})
    assert made.status_code == 200
    assert made.json()["params"]["expression"] == last["expression"]


def test_other_teams_and_roles_are_kept_out(rest, api_as, other_team, db):
    first = ask(rest, "/strategies", FORMULA).json()
    stranger = api_as("researcher", other_team)
    for path in (f"/versions/{first['id']}", f"/strategies/{first['strategy_id']}"):
        assert stranger.get(f"/api/v1{path}").status_code == 404
    assert stranger.get("/api/v1/strategies").json()["items"] == []
    assert ask(api_as("viewer"), "/strategies", FORMULA).status_code == 403
