"""Python strategies in the editor: read, stored, asked for, shown; nothing of theirs runs here."""

import pytest

from apps.strategies.kernel.own_template import TEMPLATE

JSON = "application/json"


@pytest.fixture
def rest(api_as):
    return api_as("researcher")


def ask(client, path, body):
    return client.post(f"/api/v1{path}", body, content_type=JSON)


@pytest.fixture
def stored(rest):
    made = ask(rest, "/code", {"name": "averages", "text": TEMPLATE})
    assert made.status_code == 201, made.content
    return made.json()


def test_the_template_reads_and_declares_its_parameters(rest, db):
    assert rest.get("/api/v1/code/template").json()["text"] == TEMPLATE
    found = ask(rest, "/code/check", {"text": TEMPLATE}).json()
    assert found["findings"] == []
    assert [one["name"] for one in found["declared"]["parameters"]] == ["fast", "slow"]
    assert found["declared"]["warmup"] == "max(fast, slow)"


@pytest.mark.parametrize(
    ("before", "after", "line", "code", "level"),
    [
        ("def targets(", "def target(", 1, "code.no_entry", "error"),
        ("panel.close, params", "panel.close, parms", 25, "lint.undefined_name", "warning"),
        (
            "import numpy as np",
            "import numpy as np\nimport math",
            7,
            "lint.unused_import",
            "warning",
        ),
        ("return out\n", "return out)\n", 35, "code.syntax", "error"),
        ('params["fast"]', 'params["quick"]', 25, "code.unknown_parameter", "error"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(rest, db, before, after, line, code, level):
    text = TEMPLATE.replace(before, after, 1)
    found = ask(rest, "/code/check", {"text": text}).json()
    told = [one for one in found["findings"] if one["code"] == code]
    assert [(one["line"], one["level"]) for one in told] == [(line, level)]
    assert (found["declared"] is None) == (level == "error")


def test_the_template_does_what_it_says():
    import numpy as np

    module: dict = {}
    exec(compile(TEMPLATE, "template", "exec"), module)  # noqa: S102 the lab's own text
    rng = np.random.default_rng(7)
    closes = 100 * np.exp(rng.normal(0, 0.01, (200, 4)).cumsum(axis=0))

    class Panel:
        close = closes

    found = module["targets"](Panel, {"fast": 5, "slow": 20})
    fast, slow = (closes[150 - n + 1 : 151].mean(axis=0) for n in (5, 20))
    above = fast > slow
    assert np.allclose(found[150], above / max(above.sum(), 1))
    assert (found[:19] == 0).all()


def test_saving_over_a_newer_text_is_refused_and_differences_shown(rest, stored):
    newer = TEMPLATE.replace("My crossover", "Their crossover")
    second = ask(rest, "/code", {"name": "averages", "text": newer, "base": stored["id"]})
    assert (second.status_code, second.json()["number"]) == (201, 2)
    mine = TEMPLATE.replace("My crossover", "Our crossover")
    late = ask(rest, "/code", {"name": "averages", "text": mine, "base": stored["id"]})
    assert (late.status_code, late.json()["code"]) == (409, "version.newer")
    found = ask(rest, f"/versions/{second.json()['id']}/compare", {"source": mine}).json()
    changed = next(row for row in found["rows"] if row["kind"] == "changed")
    assert [part["text"] for part in changed["before"] if part["changed"]] == ["Their"]
    again = ask(rest, "/code", {"name": "averages", "text": newer})
    assert again.json()["id"] == second.json()["id"]


def test_leave_is_asked_for_exactly_one_text(rest, stored, client_as):
    path = f"/versions/{stored['id']}/code"
    assert rest.get(f"/api/v1{path}").json()["state"] == "none"
    made = ask(rest, f"{path}/propose", {"rationale": "Averages only, read line by line."})
    assert made.status_code == 201, made.content
    found = rest.get(f"/api/v1{path}").json()
    assert (found["state"], found["proposal_id"]) == ("open", made.json()["proposal_id"])
    other = TEMPLATE.replace("My crossover", "Other")
    second = ask(rest, "/code", {"name": "averages", "text": other}).json()
    assert rest.get(f"/api/v1/versions/{second['id']}/code").json()["state"] == "none"
    page = client_as("researcher").get(f"/strategies/{stored['strategy_id']}/edit/")
    assert "Other" in page.content.decode()
    for path in (f"/strategies/{stored['strategy_id']}/", f"/strategies/versions/{second['id']}/"):
        text = client_as("viewer").get(path).content.decode()
        assert "Holds in equal weights" in text


def test_other_strategies_open_their_own_editor(rest, client_as):
    body = {"name": "turn", "title": "Turn", "params": {"expression": "-delta(close, 5)"}}
    made = ask(rest, "/strategies", body).json()
    person = client_as("researcher")
    answer = person.get(f"/strategies/{made['strategy_id']}/edit/")
    assert answer.url == f"/strategies/expressions/?strategy={made['strategy_id']}"
    assert "-delta(close, 5)" in person.get(answer.url).content.decode()
    assert rest.get(f"/api/v1/versions/{made['id']}/code").status_code == 404
    assert client_as("viewer").get("/strategies/code/").status_code == 403
