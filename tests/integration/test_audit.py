"""The trail: recorded with the act, read per team, proved over REST and on pages."""

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import transaction

from apps.audit import selectors, services, store
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


def test_an_event_shows_what_changed_since_the_one_before(live_db, client_as, actor, team, now):
    client, who = client_as("auditor"), actor("researcher")
    first = record(who, now, subject="setting:x", body={"value": 1, "same": "s"})
    record(who, now, subject="setting:other", body={"value": 7})
    second = record(who, now, subject="setting:x", body={"value": 2, "same": "s"})
    page = client.get(f"/audit/{second}/").content.decode()
    assert "Changed since the event before" in page
    assert f"/audit/{first}/" in page
    assert '<tr class="del">' in page
    assert '<tr class="add">' in page
    assert "Changed since" not in client.get(f"/audit/{first}/").content.decode()
    assert selectors.find_previous(AuditEvent.objects.get(pk=first)) is None


def test_a_lagging_sequencer_shows_a_banner_and_writes_go_on(
    live_db, client_as, sequence, actor, now, monkeypatch
):
    """Case 95: the sequencer is dead; what people do is recorded all the same."""
    client = client_as("auditor")
    record(actor("researcher"), now)
    monkeypatch.setattr(store, "oldest_wait", lambda: 4.9)
    assert 'id="lag"' not in client.get("/audit/").content.decode()
    monkeypatch.setattr(store, "oldest_wait", lambda: 31.0)
    page = client.get("/audit/").content.decode()
    assert 'id="lag"' in page
    assert "waited 31 s" in page


def test_the_trail_is_exported_with_proofs(live_db, sequence, api_as, actor, other_team, now):
    client = api_as("auditor")
    record(client.actor, now, subject="run:1", action="run.sheet", body={"note": "=cmd()"})
    record(client.actor, now, subject="=run:2", action="run.sheet")
    record(actor("researcher", other_team), now, action="run.sheet")
    sequence()
    rows = list(
        csv.DictReader(
            io.StringIO(client.get(f"{API}/audit/export?action=run.sheet").content.decode())
        )
    )
    assert [row["subject"] for row in rows] == ["'=run:2", "run:1"]
    assert json.loads(rows[1]["body"]) == {"note": "=cmd()"}
    answer = client.get(f"{API}/audit/export?format=jsonl&action=run.sheet").content
    head, *events = [json.loads(line) for line in answer.splitlines()]
    checkpoint = selectors.key_ring().open(head["checkpoint"])
    assert len(events) == 2
    for event in events:
        proof = event["proof"]
        leaf = merkle.leaf_hash(bytes.fromhex(proof["leaf_data"]))
        path = [bytes.fromhex(text) for text in proof["path"]]
        assert merkle.verify_inclusion(
            leaf, proof["leaf_index"], checkpoint.size, path, checkpoint.root
        )
    assert api_as("viewer").get(f"{API}/audit/export").status_code == 403
    assert client.get(f"{API}/audit/export?format=xml").status_code == 422


def test_the_page_tells_of_lost_events_and_takes_a_reason(
    live_db, client_as, sequence, settings, tmp_path, now
):
    settings.AUDIT_WITNESS_FILE = tmp_path / "kept"
    key = sequencing.load_key(tmp_path / "key", may_create=True)
    note = chain.sign(chain.Checkpoint("lost/log", 10**7, bytes(32)), key)
    settings.AUDIT_WITNESS_FILE.write_text(note)
    seen = client_as("auditor").get("/audit/").content.decode()
    assert 'id="rollback"' in seen
    assert "/audit/reconcile/" not in seen
    admin = client_as("admin")
    assert 'action="/audit/reconcile/"' in admin.get("/audit/").content.decode()
    assert client_as("auditor").post("/audit/reconcile/", {"reason": "x" * 20}).status_code == 403
    admin.post("/audit/reconcile/", {"reason": "why"})
    assert selectors.find_rollback() is not None
    admin.post("/audit/reconcile/", {"reason": "The dump of Monday was restored."})
    assert selectors.find_rollback() is None
    assert 'id="rollback"' not in admin.get("/audit/").content.decode()


def test_rest_reconciles_too(live_db, api_as, settings, tmp_path):
    settings.AUDIT_WITNESS_FILE = tmp_path / "kept"
    settings.AUDIT_WITNESS_FILE.write_text("nonsense")
    body = {"reason": "The file was overwritten by hand."}

    def post(role):
        place = f"{API}/audit/reconcile"
        return api_as(role).post(place, body, content_type="application/json")

    assert post("trader").status_code == 403
    answer = post("admin")
    assert answer.status_code == 201, answer.content
    assert AuditEvent.objects.get(pk=answer.json()["event"]).action == "ledger.reconciled"
    assert post("admin").status_code == 409
