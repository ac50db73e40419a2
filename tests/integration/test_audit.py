"""The trail: recorded with the act, read per team, proved over REST and on pages."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import transaction

from apps.audit import selectors, services
from apps.audit.kernel import chain, merkle
from apps.audit.models import AuditEvent
from apps.audit.services import Paths
from apps.audit.services import sequencer as sequencing
from apps.core import clock
from apps.core.actors import system
from apps.core.errors import Invalid, NotFound

API = "/api/v1"


def record(actor, now, **changes):
    arguments = {"action": "run.created", "subject": "run:1", "body": {"cash": 1.5}}
    with transaction.atomic():
        return services.record(actor=actor, now=now, **{**arguments, **changes})


@pytest.fixture
def sequence(servers, settings, tmp_path_factory):
    """Run the sequencer until nothing waits; one key for the whole run of the tests."""
    home = servers.home
    paths = Paths(home / "secrets" / "audit_test_key", home / "audit_public", home / "witness")
    settings.AUDIT_PUBLIC_KEY_FILE = paths.public_key
    settings.AUDIT_WITNESS_FILE = paths.witness

    def run():
        with psycopg.connect(servers.dsn("sequencer"), autocommit=True) as connection:
            sequencer = sequencing.open_sequencer(connection, paths, settings.AUDIT_ORIGIN)
            while sequencer.step():
                pass

    return run


@pytest.mark.django_db
def test_an_event_keeps_who_what_and_when(actor, team, now):
    who = actor("researcher")
    found = AuditEvent.objects.get(pk=record(who, now))
    assert (found.actor, found.role, found.team_id) == (who.name, "researcher", team.pk)
    assert (found.action, found.subject, found.content) == ("run.created", "run:1", {"cash": 1.5})
    assert (found.acted_at, found.db_user) == (now, "app")
    assert abs(found.at - clock.now()) < timedelta(minutes=1)


@pytest.mark.django_db
def test_the_body_is_canonical_json(actor, now):
    body = {"b": Decimal("1.10"), "a": [now, UUID(int=1)], "c": (1, None, True)}
    found = AuditEvent.objects.get(pk=record(actor("trader"), now, body=body))
    assert bytes(found.body) == (
        b'{"a":["2026-01-05T12:00:00+00:00","00000000-0000-0000-0000-000000000001"],'
        b'"b":"1.10","c":[1,null,true]}'
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": ""}, "action"),
        ({"action": "x" * 65}, "action"),
        ({"subject": "x" * 201}, "subject"),
        ({"body": {"x": float("nan")}}, "canonical JSON"),
        ({"body": {"x": object()}}, "canonical JSON"),
        ({"body": {"x": "y" * 65_536}}, "65536"),
    ],
)
def test_bad_events_are_refused(change, words, actor, now, team):
    with pytest.raises(Invalid, match=words):
        record(actor(), now, **change)
    assert not AuditEvent.objects.filter(team_id=team.pk).exists()


def test_an_event_outside_a_transaction_is_a_mistake(live_db, actor, now):
    with pytest.raises(RuntimeError, match="transaction"):
        services.record(actor=actor(), action="a.b", subject="c:1", body={}, now=now)


def test_an_event_is_undone_with_its_act(live_db, actor, team, now):
    with transaction.atomic():
        services.record(actor=actor(), action="a.b", subject="c:1", body={}, now=now)
        transaction.set_rollback(True)
    assert not AuditEvent.objects.filter(team_id=team.pk).exists()


@pytest.mark.django_db
def test_an_event_above_teams_is_nobodys(actor, team, now):
    record(system("lab"), now)
    assert not selectors.list_events(team_id=team.pk).exists()


@pytest.mark.django_db
def test_the_trail_is_filtered(actor, team, other_team, now):
    one, two = actor("researcher"), actor("trader")
    record(one, now, action="run.created", subject="run:1")
    record(one, now, action="run.deleted", subject="run:11")
    record(two, now, action="order.placed", subject="order:1")
    record(actor("trader", other_team), now)

    def found(**asked):
        return sorted(e.action for e in selectors.list_events(team_id=team.pk, **asked))

    assert found() == ["order.placed", "run.created", "run.deleted"]
    assert found(subject="run:1") == ["run.created"]
    assert found(subject="run:") == ["run.created", "run.deleted"]
    assert found(action="run.") == ["run.created", "run.deleted"]
    assert found(actor=two.name) == ["order.placed"]
    assert found(search="DELETED") == ["run.deleted"]
    assert found(search="order") == ["order.placed"]
    future = clock.now() + timedelta(hours=1)
    assert found(since=future) == []
    assert len(found(before=future)) == 3
    assert len(selectors.list_events(team_id=team.pk, limit=2)) == 2
    assert selectors.list_actions(team.pk) == ["order.placed", "run.created", "run.deleted"]


def test_a_proof_leads_from_the_event_to_the_signed_head(live_db, sequence, actor, team, now):
    who = actor("researcher")
    events = [record(who, now, subject=f"run:{number}") for number in range(20)]
    assert selectors.get_proof(events[0]) is None
    assert selectors.lag_seconds(now=now) > 0
    sequence()
    assert selectors.lag_seconds(now=now) is None
    ring = selectors.key_ring()
    for event_id in events:
        proof = selectors.get_proof(event_id)
        checkpoint = ring.open(proof.checkpoint)
        path = [bytes.fromhex(text) for text in proof.path]
        leaf = merkle.leaf_hash(selectors.leaf_data_of(AuditEvent.objects.get(pk=event_id)))
        assert merkle.verify_inclusion(
            leaf, proof.leaf_index, checkpoint.size, path, checkpoint.root
        )
        checks = selectors.check_event(event_id, team.pk)
        assert [(c.name, c.ok) for c in checks] == [
            ("leaf", True),
            ("inclusion", True),
            ("signature", True),
        ]


def test_the_trail_over_rest(live_db, sequence, api_as, actor, other_team, now):
    client = api_as("auditor")
    events = [record(client.actor, now, subject=f"run:{n}", action="run.tested") for n in range(5)]
    waiting = client.get(f"{API}/audit/{events[0]}").json()
    assert (waiting["leaf"], waiting["proof"]) == (None, None)
    assert client.get(f"{API}/audit/verify?event={events[0]}").json()["ok"] is False
    sequence()
    first = client.get(f"{API}/audit?limit=3&action=run.tested").json()
    rest = client.get(f"{API}/audit?limit=3&action=run.tested&cursor={first['next']}").json()
    rows = first["items"] + rest["items"]
    assert [row["id"] for row in rows] == [str(event) for event in reversed(events)]
    assert all(row["leaf"] is not None for row in rows)
    detail = client.get(f"{API}/audit/{events[0]}").json()
    proof = detail["proof"]
    leaf = merkle.leaf_hash(bytes.fromhex(detail["leaf_data"]))
    path = [bytes.fromhex(text) for text in proof["path"]]
    root = bytes.fromhex(proof["root"])
    assert merkle.verify_inclusion(leaf, proof["leaf_index"], proof["tree_size"], path, root)
    head = client.get(f"{API}/audit/head").json()
    name, key = chain.read_verifier_key(head["public_key"])
    assert chain.open_note(head["note"], name, key).root.hex() == head["root"] == proof["root"]
    checked = client.get(f"{API}/audit/verify?event={events[0]}").json()
    assert checked["ok"] is True
    stranger = api_as("auditor", other_team)
    assert stranger.get(f"{API}/audit/{events[0]}").status_code == 404
    assert stranger.get(f"{API}/audit/verify?event={events[0]}").status_code == 404
    assert str(events[0]) not in stranger.get(f"{API}/audit").content.decode()


@pytest.mark.django_db
def test_bad_questions_are_answered_with_problems(api_as):
    client = api_as("viewer")
    assert client.get(f"{API}/audit/{uuid4()}").status_code == 404
    assert client.get(f"{API}/audit?since=yesterday").status_code == 422
    assert client.get(f"{API}/audit?limit=0").status_code == 422
    assert client.get(f"{API}/audit?cursor=nonsense").status_code == 422
    assert client.get(f"{API}/audit/verify?event=1").status_code == 422
    assert client.get(f"{API}/audit/nonsense").status_code == 404
    assert client.__class__().get(f"{API}/audit").status_code == 401


@pytest.mark.django_db
def test_an_unknown_event_is_not_found(team):
    with pytest.raises(NotFound):
        selectors.get_event(uuid4(), team.pk)


def test_the_pages_show_trail_and_proof(live_db, sequence, client_as, actor, other_team, now):
    client = client_as("auditor")
    who = actor("researcher")
    event = record(who, now, subject="run:7", body={"note": "<b>bold</b>"})
    other = record(actor("researcher", other_team), now, subject="run:8")
    assert "waits for its leaf" in client.get("/audit/").content.decode()
    sequence()
    trail = client.get("/audit/?subject=run:").content.decode()
    assert who.label in trail
    assert "run:7" in trail
    assert "run:8" not in trail
    assert ", checkpoint" in trail
    assert "No event fits" in client.get("/audit/?search=nothing-like-it").content.decode()
    assert "left out" in client.get("/audit/?since=soon").content.decode()
    page = client.get(f"/audit/{event}/").content.decode()
    assert "recorded at leaf" in page
    assert page.count("does not hold") == 0
    assert "<b>bold</b>" not in page
    assert client.get(f"/audit/{other}/").status_code == 404
