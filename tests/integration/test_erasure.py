"""Forgetting people and teams: addresses go, proofs stay; and what is written down of them."""

import base64
import io
import json
import re
import zipfile

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps as installed
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction
from django.test import Client

from apps.accounts import selectors, services
from apps.accounts.models import Invitation, Membership, Team, Token, User
from apps.audit.models import AuditEvent
from apps.core import tenancy
from apps.core.actors import system
from apps.core.errors import Conflict, NotFound
from tests.factories import people
from tests.factories.crowd import Crowd
from tests.factories.doors import CANARY, World

ADDRESS = "ada.lovelace@example.test"
LAB = system("tests")


@pytest.fixture
def ada(db, sample, team, now, monkeypatch):
    """A researcher with a token, a second factor, and a row of everything to their name."""
    user = people.make_user(team, "researcher")
    User.objects.filter(pk=user.pk).update(email=ADDRESS, name="Ada Lovelace")
    user.refresh_from_db()
    who = selectors.actor_of_user(user)
    crowd = Crowd(team, now)
    real = people.make_actor
    is_ada = {"researcher": lambda *_: who}
    monkeypatch.setattr(
        people, "make_actor", lambda team, role: is_ada.get(role, real)(team, role)
    )
    with transaction.atomic():
        crowd.grow(1)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "s"})
    return user


def texts_of(row):
    return " ".join(str(getattr(row, field.attname)) for field in row._meta.concrete_fields)


def places_of(word):
    """Every table where a word stands in some row; of the ledger the events too."""
    found = set()
    for model in installed.get_models():
        if model._meta.managed and any(word in texts_of(row) for row in model._base_manager.all()):
            found.add(model._meta.label_lower)
    if any(
        word.encode() in bytes(body) for body in AuditEvent.objects.values_list("body", flat=True)
    ):
        found.add("audit.auditevent")
    return found


def events():
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, actor, subject, body FROM audit.audit_event ORDER BY id")
        return {row[0]: (row[1], row[2], bytes(row[3])) for row in cursor.fetchall()}


def test_an_erased_person_is_known_by_number_only_and_no_event_changes(ada, team, now):
    _, plain = services.create_token(actor=selectors.actor_of_user(ada), name="ada's", now=now)
    client = Client()
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    before = events()
    assert len(places_of(ADDRESS)) > 2
    counts = services.erase_person(actor=LAB, email=ADDRESS, now=now)
    assert counts["labels"] > 2
    assert places_of(ADDRESS) == places_of("Lovelace") == set()
    after = events()
    assert {key: after[key] for key in before} == before
    added = [event for key, event in after.items() if key not in before]
    assert [(actor, subject) for actor, subject, _ in added] == [
        ("system:tests", f"user:{ada.pk}")
    ]
    assert client.get("/team/").status_code == 302
    bearer = Client(headers={"authorization": f"Bearer {plain}"})
    assert bearer.get("/api/v1/me").status_code == 401
    assert not Authenticator.objects.filter(user=ada).exists()
    assert not User.objects.get(pk=ada.pk).is_active


def test_events_hold_no_address_of_anybody(ada, team):
    assert events()
    told = [body for _, _, body in events().values() if re.search(rb"[\w.]@[\w-]+\.\w", body)]
    assert told == []


def test_the_last_administrator_of_others_is_not_erased(team, actor, now):
    admin, _ = actor("admin"), actor("viewer")
    with pytest.raises(Conflict) as caught:
        services.erase_person(actor=LAB, email=admin.label, now=now)
    assert caught.value.code == "member.last_admin"
    assert User.objects.get(pk=admin.user_id).is_active


def test_an_unknown_person_is_not_found(db, now):
    with pytest.raises(NotFound):
        services.erase_person(actor=LAB, email="nobody@example.test", now=now)
    with pytest.raises(NotFound):
        selectors.export_person("nobody@example.test")


def test_nobody_but_the_lab_erases(ada, actor, now):
    for role in ("admin", "auditor"):
        with pytest.raises(Exception, match="lacks"):
            services.erase_person(actor=actor(role), email=ADDRESS, now=now)
        with pytest.raises(Exception, match="lacks"):
            services.erase_team(actor=actor(role), team_id=ada.memberships.get().team_id, now=now)


def test_commands_write_down_and_forget_a_person(ada):
    out = io.StringIO()
    call_command("export_person", ADDRESS, stdout=out)
    found = json.loads(out.getvalue())
    assert (found["email"], found["name"]) == (ADDRESS, "Ada Lovelace")
    assert found["memberships"][0]["role"] == "researcher"
    assert found["second_factors"][0]["type"] == "totp"
    assert found["known_in_the_ledger_as"] == f"user:{ada.pk}"
    assert "secret" not in out.getvalue()
    with pytest.raises(CommandError):
        call_command("erase_person", ADDRESS)
    call_command("erase_person", ADDRESS, "--yes", stdout=io.StringIO())
    assert not User.objects.filter(email=ADDRESS).exists()


@pytest.fixture
def world(db, sample, team, now):
    with transaction.atomic():
        return World(team, now, 302)


def test_a_team_is_written_down_whole_and_without_what_opens_something(
    world, team, other_team, now, tmp_path
):
    World(other_team, now, 402)
    file, out = tmp_path / "team.zip", io.StringIO()
    call_command("export_team", team.slug, str(file), stdout=out)
    counts = json.loads(out.getvalue())
    assert {"accounts.team", "backtests.run", "trading.fill", "approvals.decision"} <= set(counts)
    with zipfile.ZipFile(file) as held:
        texts = {name: held.read(name).decode() for name in held.namelist()}
    rows = {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}
    assert len(rows["trading.fill.jsonl"]) == counts["trading.fill"] == 1
    assert {row.get("team_id", team.pk) for found in rows.values() for row in found} == {team.pk}
    report = rows["risk.bookreport.jsonl"][0]
    assert base64.b64decode(report["pdf"]) == b"%PDF-"
    whole = "".join(texts.values())
    assert CANARY not in whole
    assert not [t for t in Token.objects.filter(team=team) if t.digest in whole]
    assert not [i for i in Invitation.objects.filter(team=team) if i.digest in whole]


def test_an_erased_team_leaves_evidence_without_addresses_and_no_event_changes(
    world, team, other_team, now
):
    World(other_team, now, 402)
    both = people.make_user(team, "viewer")
    Membership.objects.create(user=both, team=other_team, role="viewer")
    emails = [m.user.email for m in team.memberships.all() if m.user != both]
    theirs, before = rows_of(other_team), events()
    report = services.erase_team(actor=LAB, team_id=team.pk, now=now)
    assert rows_of(other_team) == theirs
    assert {key: events()[key] for key in before} == before
    assert {"approvals.decision", "approvals.setting"} <= set(report["stays"])
    assert {"backtests.run", "accounts.token", "market.dataset", "trading.order"} <= set(
        report["emptied"]
    )
    for email in emails:
        assert not User.objects.filter(email=email).exists()
    assert User.objects.get(pk=both.pk).is_active
    assert Team.objects.get(pk=team.pk).name == f"Erased team {team.pk}"
    with pytest.raises(NotFound):
        selectors.find_team(team.slug)


def rows_of(team):
    with tenancy.team(team.pk):
        return {
            model._meta.label_lower: model._base_manager.filter(**{path: team.pk}).count()
            for model in installed.get_models()
            if (path := selectors.team_path(model)) and issubclass(model, models.Model)
        }
