"""Attempts at the doors: replayed codes and tokens, forged fields, sites and statements."""

import json

import psycopg
import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from apps.accounts import selectors, services
from apps.accounts.models import Invitation, Membership, Token
from apps.audit.selectors import list_events
from apps.core import clock
from tests.factories import people

PASSWORD = "a good passphrase"
STATEMENTS = (
    "'; DROP TABLE accounts_user; --",
    "1 OR 1=1",
    "id) UNION SELECT password FROM accounts_user --",
    "\\x00",
    "%' AND pg_sleep(5) --",
    "request->>'a'='b",
    '{"$ne": null}',
)


@pytest.fixture(autouse=True)
def fresh(servers, django_db_setup):
    from django.core.cache import cache

    cache.clear()
    selectors.forget_tokens()


@pytest.fixture
def person(db, team):
    return people.make_user(team, "researcher")


def token_of(person, **options):
    who = selectors.actor_of_user(person)
    return services.create_token(actor=who, name="script", now=clock.now(), **options)[1]


def status_with(plain, path="/api/v1/me"):
    return Client(headers={"authorization": f"Bearer {plain}"}).get(path).status_code


def sign_in(client, person, password=PASSWORD):
    return client.post("/accounts/login/", {"login": person.email, "password": password})


def test_tokens_end_when_the_password_is_changed(person, team):
    plain, client = token_of(person), Client()
    assert status_with(plain) == 200
    sign_in(client, person)
    new = "another good passphrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", form).status_code == 302
    selectors.forget_tokens()
    assert status_with(plain) == 401
    revoked = list_events(team_id=team.pk, action="token.revoked")
    assert [json.loads(bytes(event.body))["because"] for event in revoked] == ["password changed"]


def test_other_sessions_end_when_the_password_is_changed(person):
    here, there = Client(), Client()
    sign_in(here, person)
    sign_in(there, person)
    assert there.get("/team/").status_code == 200
    new = "another good passphrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    here.post("/accounts/password/change/", form)
    assert there.get("/team/").status_code == 302
    assert here.get("/team/").status_code == 200


def test_a_token_of_one_scope_does_nothing_of_another(person):
    plain = token_of(person, scopes=["audit.read"])
    assert status_with(plain, "/api/v1/audit") == 200
    assert status_with(plain, "/api/v1/me") == 403


def test_a_code_of_the_authenticator_is_good_once(person):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    counter = next(totp.yield_hotp_counters_from_time())
    code = totp.format_hotp_value(totp.hotp_value(secret, counter))
    first, second = Client(), Client()
    where = sign_in(first, person).url
    assert first.post(where, {"code": code}).status_code == 302
    assert first.get("/team/").status_code == 200
    sign_in(second, person)
    assert second.post(where, {"code": code}).status_code == 200
    assert second.get("/team/").status_code == 302


def test_codes_are_not_guessed_without_end(person):
    totp.TOTP.activate(person, totp.generate_totp_secret())
    client = Client()
    where = sign_in(client, person).url
    answers = [client.post(where, {"code": f"{n:06}"}) for n in range(12)]
    texts = [answer.content.decode() for answer in answers if answer.status_code == 200]
    assert any(answer.status_code == 429 for answer in answers) or "Too many" in texts[-1]
    assert client.get("/team/").status_code == 302


@pytest.mark.parametrize("path", ["/accounts/login/", "/team/tokens/", "/team/switch/"])
def test_forms_of_other_sites_are_refused(person, path):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    for headers in ({}, {"origin": "https://evil.example"}):
        given = {"login": person.email, "password": PASSWORD, "name": "x", "scopes": "team.read"}
        assert client.post(path, given, headers=headers).status_code == 403
    assert not Token.objects.filter(user=person).exists()


def test_cookies_stay_with_the_site(person, settings):
    client = Client()
    sign_in(client, person)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_fields_nobody_asked_for_change_nothing(team, other_team, api_as):
    forged = {
        "team_id": other_team.pk, "team": other_team.pk, "user_id": 1, "created_by": "user:1",
        "approved_by": "user:1", "accepted_at": "2020-01-01T00:00:00Z", "is_staff": True, "id": 7,
    }  # fmt: skip
    admin = api_as("admin")
    asked = {"email": "new@example.test", "role": "viewer", **forged}
    answer = admin.post("/api/v1/invitations", json.dumps(asked), "application/json")
    assert answer.status_code in {201, 422}
    made = Invitation.objects.filter(email="new@example.test")
    assert all((row.team_id, row.accepted_at) == (team.pk, None) for row in made)
    asked = {"name": "mine", "scopes": ["team.read"], "role": "admin", **forged}
    answer = admin.post("/api/v1/tokens", json.dumps(asked), "application/json")
    assert answer.status_code in {201, 422}
    assert not Token.objects.filter(team=other_team).exists()
    before = list(Membership.objects.values_list("user_id", "team_id", "role").order_by("pk"))
    viewer = people.make_user(team, "viewer")
    asked = json.dumps({"role": "validator", **forged})
    admin.patch(f"/api/v1/members/{viewer.pk}", asked, "application/json")
    after = list(Membership.objects.values_list("user_id", "team_id", "role").order_by("pk"))
    assert after[: len(before)] == before
    assert after[len(before) :] == [(viewer.pk, team.pk, "validator")]


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements_in_what_is_asked_for_are_text(team, api_as, text):
    client = api_as("researcher")
    for path in (
        "/api/v1/jobs?status={}",
        "/api/v1/backtests?sort={}",
        "/api/v1/backtests?text={}",
        "/api/v1/strategies?text={}",
        "/api/v1/audit?search={}",
        "/api/v1/instruments?search={}",
        "/api/v1/tokens?cursor={}",
        "/api/v1/bars?symbol={}&timeframe=1d",
    ):
        url, _, query = path.partition("?")
        name, _, _ = query.partition("=")
        answer = client.get(url, {name: text})
        assert answer.status_code in {200, 404, 422}, (path, answer.status_code, answer.content)


def test_the_role_of_the_site_makes_and_alters_nothing(live_db):
    with psycopg.connect(live_db.dsn("app"), autocommit=True) as raw:
        for statement in (
            "CREATE TABLE mine (id int)",
            "DROP TABLE accounts_user",
            "ALTER TABLE core_job DISABLE ROW LEVEL SECURITY",
            "DROP POLICY seen ON core_job",
            "CREATE ROLE mine",
            "SET ROLE owner",
            "ALTER ROLE app BYPASSRLS",
            "COPY accounts_user TO PROGRAM 'cat'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw.execute(statement)
