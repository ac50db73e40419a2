"""Strategies in the real database: versions, digests, stages, teams."""

import pytest
from django.db import IntegrityError, transaction

from apps.approvals import services as approvals
from apps.audit.selectors import list_events
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.plugs import load_plug
from apps.strategies import selectors, services
from apps.strategies.models import Strategy, StrategyVersion
from tests.factories import signing

SMA = {"fast": 5, "slow": 20}


@pytest.fixture
def ensure(actor, now):
    who = actor("researcher")
    return lambda name="sma_crossover", params=SMA, by=None: services.ensure_version(
        actor=by or who, name=name, params=params, now=now
    )


@pytest.fixture
def create(actor, now):
    who = actor("researcher")

    def make(**given):
        fields = {
            "name": "calm_reversal",
            "title": "Calm reversal",
            "kind": "expression",
            "plug": "",
            "params": {"expression": "-delta(close, 5)"},
        }
        return services.create_strategy(actor=who, now=now, **{**fields, **given})

    return make


def test_the_same_strategy_and_parameters_are_the_same_version(ensure):
    first = ensure()
    assert first == ensure()
    assert first.params == {"fast": 5, "slow": 20, "short": False}
    assert (first.name, first.stage, first.number) == ("sma_crossover", "draft", 1)
    assert len(first.digest) == 64


def test_another_parameter_is_another_version(ensure):
    first, second = ensure(), ensure(params={"fast": 6, "slow": 20})
    assert second.digest != first.digest
    assert (second.strategy_id, second.number) == (first.strategy_id, 2)


def test_a_default_written_out_changes_nothing(ensure):
    assert ensure().id == ensure(params={**SMA, "short": False}).id


def test_a_version_id_with_a_change_makes_the_next_version(ensure):
    first = ensure()
    second = ensure(name=str(first.id), params={"short": True})
    assert second.params == {"fast": 5, "slow": 20, "short": True}
    assert ensure(name=first.id, params={}).id == first.id


def test_digests_agree_between_teams(ensure, actor, other_team):
    other = ensure(by=actor("researcher", other_team))
    assert other.digest == ensure().digest
    assert other.id != ensure().id


@pytest.mark.parametrize(
    ("name", "params", "error", "code"),
    [
        ("martingale", {}, NotFound, "plug.unknown"),
        ("999999", {}, NotFound, "version.not_found"),
        ("sma_crossover", {"fast": 50, "slow": 20}, Invalid, "params.out_of_range"),
        ("sma_crossover", {"fast": "many"}, Invalid, "params.out_of_range"),
        ("sma_crossover", {"luck": 1}, Invalid, "params.unknown"),
        ("expression", {"expression": "delay(close, -1)"}, Invalid, "expression.look_ahead"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(ensure, name, params, error, code):
    with pytest.raises(error) as refusal:
        ensure(name=name, params=params)
    assert refusal.value.code == code
    assert not StrategyVersion.objects.exists()
    assert not Strategy.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "validator", "trader", "auditor", "admin"])
def test_only_researchers_write(ensure, actor, role):
    with pytest.raises(Denied):
        ensure(by=actor(role))


def test_another_teams_version_is_not_found(ensure, actor, other_team):
    version = ensure(by=actor("researcher", other_team))
    with pytest.raises(NotFound):
        ensure(name=version.id, params={})


def test_the_database_refuses_to_change_a_version(ensure):
    version = ensure()
    rows = StrategyVersion.objects.filter(pk=version.id)
    for change in ({"params": {}}, {"digest": "0" * 64}, {"source": "x"}, {"number": 9}):
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
            rows.update(**change)
    rows.update(stage="researched")


def test_each_write_leaves_an_event(ensure, team):
    version = ensure()
    actions = [e.action for e in list_events(team_id=team.pk, subject=f"version:{version.id}")]
    assert actions == ["version.created"]
    made = list_events(team_id=team.pk, subject=f"strategy:{version.strategy_id}")
    assert [e.action for e in made] == ["strategy.created"]


def test_an_expression_of_ones_own_has_versions(create, actor, now):
    first = create()
    assert (first.name, first.strategy, first.kind) == (
        "expression",
        "calm_reversal",
        "expression",
    )
    second = services.create_version(
        actor=actor("researcher"),
        strategy_id=first.strategy_id,
        params={"expression": "-delta(close, 10)"},
        now=now,
        note="slower",
    )
    diff = selectors.diff_versions(first.id, second.id, first.team_id)
    assert [(c.name, c.before, c.after) for c in diff.params] == [
        ("expression", "-delta(close, 5)", "-delta(close, 10)")
    ]
    assert [line.sign for line in diff.lines] == ["@", "-", "+"]


def test_the_same_version_twice_is_a_conflict(create, actor, now):
    first = create()
    with pytest.raises(Conflict) as refusal:
        services.create_version(
            actor=actor("researcher"),
            strategy_id=first.strategy_id,
            params={"expression": "-delta(close, 5)"},
            now=now,
        )
    assert refusal.value.code == "version.same"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"kind": "python"}, "strategy.kind"),
        ({"kind": "magic"}, "strategy.kind"),
        ({"name": "sma_crossover"}, "strategy.name"),
        ({"name": "Bad Name"}, "strategy.name"),
        ({"title": " "}, "strategy.title"),
        ({"params": {"expression": "rank("}}, "expression.syntax"),
        ({"kind": "library", "plug": "nothing"}, "plug.unknown"),
    ],
)
def test_a_strategy_that_can_not_be_is_refused(create, given, code):
    with pytest.raises((Invalid, NotFound)) as refusal:
        create(**given)
    assert refusal.value.code == code
    assert not Strategy.objects.exists()


def test_a_name_is_taken_once(create):
    create()
    with pytest.raises(Conflict):
        create()


def test_stages_only_move_by_the_lab_and_in_order(ensure, actor, team, now):
    version = ensure()
    lab = system("decisions", team.pk)
    with pytest.raises(Denied):
        services.set_stage(
            actor=actor("researcher"), version_id=version.id, stage="paper", now=now
        )
    with pytest.raises(Conflict):
        services.set_stage(actor=lab, version_id=version.id, stage="live", now=now)
    moved = services.set_stage(actor=lab, version_id=version.id, stage="paper", now=now)
    assert moved.stage == "paper"
    assert moved.digest == version.digest
    with pytest.raises(Conflict):
        services.set_stage(actor=lab, version_id=version.id, stage="draft", now=now)
    actions = [e.action for e in list_events(team_id=team.pk, subject=f"version:{version.id}")]
    assert actions == ["version.stage_set", "version.created"]


def test_the_inventory_shows_the_newest_version(ensure, create, team):
    ensure()
    newest = ensure(params={"fast": 6, "slow": 20})
    create()
    rows = selectors.views_of(list(selectors.list_inventory(team_id=team.pk)))
    assert {row.name: row.versions for row in rows} == {"calm_reversal": 1, "sma_crossover": 2}
    assert next(r.latest.id for r in rows if r.name == "sma_crossover") == newest.id


def test_source_digests_cover_what_a_member_imports():
    text, digest = selectors.source_of("momentum_12_1")
    assert "class Momentum121" in text
    assert len({digest, *(selectors.source_of(n)[1] for n in ("buy_and_hold", "expression"))}) == 3


def approve(version, actor, now, stage="researched"):
    """Propose and approve a promotion as two people."""
    proposal = approvals.propose(
        actor=actor("researcher"),
        kind="promotion",
        subject=f"version:{version.id}",
        title="On to the next stage",
        digest=version.digest,
        evidence={},
        rationale="It behaved as its formula says.",
        now=now,
        target_stage=stage,
    )
    return signing.decide(actor("validator"), proposal, now)


def test_an_approved_promotion_moves_the_version(ensure, actor, team, now):
    version = ensure()
    approve(version, actor, now)
    assert selectors.get_version(version.id, team.pk).stage == "researched"


@pytest.mark.parametrize(
    "change",
    [{"digest": "0" * 64}, {"decision": "reject"}, {"kind": "limits"}, {"subject": "run:1"}],
)
def test_other_decisions_move_nothing(ensure, team, now, change):
    version = ensure()
    told = {
        "proposal_id": "p",
        "kind": "promotion",
        "subject": f"version:{version.id}",
        "digest": version.digest,
        "decision": "approve",
        "team_id": team.pk,
        "target_stage": "paper",
        "tier": 1,
        "now": now,
    }
    effect = load_plug("DECISION_EFFECTS", "stages")
    if "digest" in change:
        with pytest.raises(Conflict):
            effect.carry_out(**{**told, **change})
    else:
        effect.carry_out(**{**told, **change})
    assert selectors.get_version(version.id, team.pk).stage == "draft"
    effect.carry_out(**{**told, "tier": 2})
    moved = selectors.get_version(version.id, team.pk)
    assert (moved.stage, moved.tier) == ("paper", 2)


def test_a_version_of_older_code_says_so(ensure, team, monkeypatch):
    version = ensure()
    assert version.is_current
    for place in (selectors, selectors.versions, selectors.recipes):
        monkeypatch.setattr(place, "source_of", lambda _name: ("changed", "0" * 64))
    stale = selectors.get_version(version.id, team.pk)
    assert not stale.is_current
    renewed = ensure(name=str(version.id), params={})
    assert renewed.is_current
    assert (renewed.number, renewed.params) == (2, version.params)
    assert renewed.digest != version.digest
