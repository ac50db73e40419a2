"""Pages of strategies, without a browser."""

import pytest

from apps.strategies import services


@pytest.fixture
def versions(actor, now):
    who = actor("researcher")
    make = services.ensure_version
    first = make(actor=who, name="sma_crossover", params={"fast": 5}, now=now)
    second = make(actor=who, name="sma_crossover", params={"fast": 6}, now=now, note="slower <b>")
    return first, second


def shown(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def test_the_inventory_lists_strategies_with_stage_and_owner(versions, client_as):
    text = shown(client_as("viewer"), "/strategies/")
    assert "SMA crossover" in text
    assert "draft" in text
    assert versions[0].created_by_label in text
    assert "SMA crossover" not in shown(client_as("viewer"), "/strategies/?kind=expression")


def test_an_empty_inventory_says_the_next_step(client_as, db):
    assert "See the library" in shown(client_as("viewer"), "/strategies/")


def test_a_strategy_shows_its_versions_and_a_form(versions, client_as):
    path = f"/strategies/{versions[0].strategy_id}/"
    text = shown(client_as("researcher"), path)
    assert 'name="fast"' in text
    assert 'value="6"' in text
    assert "slower &lt;b&gt;" in text
    assert "data-new-version" not in shown(client_as("viewer"), path)


def test_a_version_shows_parameters_source_and_history(versions, client_as):
    text = shown(client_as("viewer"), f"/strategies/versions/{versions[1].id}/")
    assert "class SmaCrossover" in text
    assert versions[1].digest in text
    assert f"/strategies/versions/{versions[1].id}/diff/{versions[0].id}/" in text
    assert "version created" in text.lower()


def test_two_versions_are_compared(versions, client_as):
    text = shown(
        client_as("viewer"), f"/strategies/versions/{versions[1].id}/diff/{versions[0].id}/"
    )
    assert "The source text is the same." in text
    assert "fast" in text


@pytest.fixture
def formulas(actor, now):
    who = actor("researcher")
    given = {"name": "turn", "title": "Turn", "kind": "expression", "plug": ""}
    text = {"expression": "rank(delta(close, 5))"}
    first = services.create_strategy(actor=who, params=text, now=now, **given)
    second = services.create_version(
        actor=who,
        strategy_id=first.strategy_id,
        params={"expression": "rank(delta(close, 20))"},
        now=now,
        base=first.id,
    )
    return first, second


def test_words_that_differ_are_marked_on_both_sides(formulas, client_as):
    path = f"/strategies/versions/{formulas[1].id}/diff/{formulas[0].id}/"
    text = shown(client_as("viewer"), path)
    assert "<del>5</del>" in text
    assert "<ins>20</ins>" in text
    below = shown(client_as("viewer"), f"{path}?view=unified")
    assert "\u2212 rank(delta(close, <del>5</del>))" in below


def test_the_catalogue_is_searched_and_says_what_is_not_available(client_as, db):
    text = shown(client_as("viewer"), "/strategies/expressions/catalogue/?text=Alpha%23101")
    assert "1 found" in text
    assert "(close - open)" in text
    assert "Needs industry" in shown(client_as("viewer"), "/strategies/expressions/catalogue/")
    nothing = shown(client_as("viewer"), "/strategies/expressions/catalogue/?text=no+such")
    assert "No formula holds that" in nothing


def test_the_library_names_its_sources(client_as, db):
    assert "Jegadeesh and Titman (1993)" in shown(client_as("viewer"), "/strategies/library/")


def test_new_strategies_begin_at_one_page(client_as, db):
    client = client_as("researcher")
    text = shown(client, "/strategies/new/?plug=donchian_breakout")
    assert 'data-plug="donchian_breakout"' in text
    assert 'name="entry"' in text
    for door in ("/strategies/expressions/", "/strategies/code/"):
        assert f'href="{door}"' in text
    assert (
        client.get("/strategies/new/?plug=expression")
        .headers["Location"]
        .endswith("/strategies/expressions/")
    )
    assert "correlation(x, y, d)" in shown(client, "/strategies/expressions/")
    assert 'href="/strategies/new/"' in shown(client, "/strategies/")
    assert 'href="/strategies/new/"' not in shown(client_as("viewer"), "/strategies/")


def test_a_run_begins_from_any_version_of_the_teams_own(formulas, client_as, other_team):
    client = client_as("researcher")
    first, second = formulas
    text = shown(client, "/research/new/")
    assert f'<option value="{second.id}"' in text
    assert f'<option value="{first.id}"' not in text
    text = shown(client, f"/research/new/?strategy={first.id}")
    assert f'data-params="{first.id}"' in text
    assert "rank(delta(close, 5))" in text
    part = shown(client, f"/research/new/parameters/?strategy={second.id}")
    assert f'data-params="{second.id}" hidden disabled' in part
    assert "rank(delta(close, 20))" in part
    assert 'name="params.expression"' in part
    stranger = client_as("researcher", other_team)
    shown(stranger, f"/research/new/parameters/?strategy={second.id}", 404)
    shown(client_as("viewer"), f"/research/new/parameters/?strategy={second.id}", 403)


def test_pages_keep_other_teams_and_roles_out(versions, client_as, other_team):
    stranger = client_as("researcher", other_team)
    shown(stranger, f"/strategies/versions/{versions[0].id}/", 404)
    shown(stranger, f"/strategies/{versions[0].strategy_id}/", 404)
    shown(client_as("viewer"), "/strategies/new/", 403)
