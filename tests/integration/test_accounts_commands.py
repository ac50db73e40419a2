"""The first administrator and shutting people out, from a shell."""

import io
import json

import pytest
from django.core.management import call_command

from apps.accounts import selectors
from apps.accounts.models import User
from apps.audit import selectors as audit


def run(monkeypatch, *words, stdin=""):
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*words, stdout=out, stderr=err)
    except SystemExit as stopped:
        return stopped.code, err.getvalue()
    return 0, json.loads(out.getvalue())


def test_create_admin_makes_team_and_person(db, monkeypatch):
    words = ("create_admin", "First@firm.example", "--team", "My Firm")
    code, made = run(monkeypatch, *words, stdin="a good passphrase\n")
    assert (code, made["role"]) == (0, "admin")
    user = User.objects.get(email="first@firm.example")
    actor = selectors.actor_of_user(user)
    assert user.check_password("a good passphrase")
    assert actor.may("people.manage")
    actions = {event.action for event in audit.list_events(team_id=actor.team)}
    assert {"team.created", "member.added"} <= actions


@pytest.mark.parametrize(
    ("email", "team", "password", "words"),
    [
        ("no address", "Firm", "a good passphrase", "valid email"),
        ("a@b.example", "Firm", "password", "common"),
        ("a@b.example", "!!!", "a good passphrase", "letters"),
    ],
)
def test_create_admin_refuses_bad_input_and_stores_nothing(
    db, monkeypatch, email, team, password, words
):
    code, said = run(monkeypatch, "create_admin", email, "--team", team, stdin=password)
    assert code == 2
    assert words in said
    assert not User.objects.exists()


def test_set_user_shuts_out_and_lets_in(team, actor, monkeypatch):
    me = actor("viewer")
    assert run(monkeypatch, "set_user", me.label, "--disable")[0] == 0
    assert selectors.actor_of_user_id(me.user_id, team.pk) is None
    assert run(monkeypatch, "set_user", me.label, "--enable")[0] == 0
    assert selectors.actor_of_user_id(me.user_id, team.pk) == me
    assert run(monkeypatch, "set_user", "nobody@x.example", "--disable")[0] == 2
