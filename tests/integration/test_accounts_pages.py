"""Signing in and the pages of accounts, as a browser without scripts meets them."""

import re

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client

from apps.accounts import selectors, services
from apps.accounts.models import Membership, Token, User
from apps.audit import selectors as audit
from apps.core import clock
from tests.factories import people

PASSWORD = "a good passphrase"


@pytest.fixture(autouse=True)
def quiet_limits(django_db_setup, request):
    from django.core.cache import cache

    cache.clear()
    selectors.forget_tokens()


@pytest.fixture
def person(team):
    return people.make_user(team, "researcher")


def sign_in(client, person, password=PASSWORD, path="/accounts/login/"):
    return client.post(path, {"login": person.email, "password": password})


def test_a_signed_out_reader_is_sent_to_sign_in_and_back(team, person):
    client = Client()
    response = client.get("/team/people/")
    assert (response.status_code, response.url) == (
        302,
        "/accounts/login/?next=%2Fteam%2Fpeople%2F",
    )
    assert client.get(response.url).status_code == 200
    form = {"login": person.email, "password": PASSWORD, "next": "/team/people/"}
    assert client.post("/accounts/login/", form).url == "/team/people/"
    assert client.get("/team/people/").status_code == 200


def test_a_fragment_asked_for_signed_out_redirects_the_whole_page(db):
    response = Client().get("/team/people/", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response["HX-Redirect"].startswith("/accounts/login/")


def test_a_wrong_password_is_refused_and_many_are_throttled(team, person):
    client = Client()
    for _ in range(5):
        response = sign_in(client, person, "wrong")
        assert response.status_code == 200
    response = sign_in(client, person)
    assert "_auth_user_id" not in client.session
    assert b"Too many" in response.content


def test_signing_up_unasked_is_closed(db):
    response = Client().post(
        "/accounts/signup/", {"email": "x@y.example", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert b"by invitation" in response.content
    assert not User.objects.exists()


def test_sign_in_with_totp_wants_the_code(team, person):
    client = Client()
    sign_in(client, person)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked.url.startswith("/accounts/reauthenticate/")
    page = client.post(asked.url, {"password": PASSWORD}, follow=True)
    assert b"data:image/svg" in page.content
    assert 'fill="white"/><path' in page.context["totp_svg"]
    secret = page.context["form"].secret
    code = totp.format_hotp_value(
        totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time()))
    )
    assert client.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    assert client.get("/accounts/2fa/").status_code == 200
    assert client.get("/accounts/2fa/recovery-codes/").status_code == 200
    assert own_changes(team, person) == ["factor.added", "factor.added"]  # the codes with it

    fresh = Client()
    response = sign_in(fresh, person)
    assert response.url == "/accounts/2fa/authenticate/"
    assert fresh.get("/team/").status_code == 302
    assert fresh.get(response.url).status_code == 200
    assert fresh.post(response.url, {"code": "000000"}).status_code == 200
    from django.core.cache import cache

    cache.clear()  # a code is good once; the same half minute serves this test twice
    assert fresh.post(response.url, {"code": code}).status_code == 302
    assert fresh.get("/team/").status_code == 200


def test_password_reset_by_mail(team, person):
    client = Client()
    assert client.post("/accounts/password/reset/", {"email": person.email}).status_code == 302
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", mail.outbox[-1].body)[1]
    form = client.get(link, follow=True)
    new = "another good passphrase"
    path = form.redirect_chain[-1][0]
    assert client.post(path, {"password1": new, "password2": new}).status_code == 302
    sign_in(client, person, new)
    assert client.get("/team/").status_code == 200


def test_password_change(team, person):
    client = Client()
    sign_in(client, person)
    assert client.get("/accounts/password/change/").status_code == 200
    new = "another good passphrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", form).status_code == 302
    person.refresh_from_db()
    assert person.check_password(new)
    assert own_changes(team, person) == ["password.changed"]


def test_what_changes_at_an_account_is_in_the_trail_of_each_team(team, other_team, person):
    """The framework's pages act in one transaction with the event, and name no address in it."""
    Membership.objects.create(user=person, team=other_team, role="viewer")
    client = Client()
    sign_in(client, person)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"action_add": "", "email": "second@p.example"})
    assert "address.added" in own_changes(team, person)
    assert own_changes(team, person) == own_changes(other_team, person)
    rows = audit.list_events(team_id=team.pk, subject=f"user:{person.pk}")
    assert "second@p.example" not in " ".join(str(row.content) for row in rows)


def own_changes(team, person):
    rows = audit.list_events(team_id=team.pk, subject=f"user:{person.pk}")
    assert {row.actor for row in rows} <= {f"user:{person.pk}"}
    return sorted(row.action for row in rows)


def test_sessions_are_listed_and_ended(team, person):
    here, there = Client(), Client(headers={"user-agent": "Other browser"})
    for client in (here, there):
        sign_in(client, person)
        client.get("/team/")
    page = here.get("/accounts/sessions/")
    assert b"Other browser" in page.content
    mine = here.session.session_key
    other = next(s for s in page.context["sessions"] if s.session_key != mine)
    asked = here.post(f"/team/sessions/{other.pk}/end/")
    assert asked.url.startswith("/accounts/reauthenticate/")
    assert there.get("/team/").status_code == 200
    assert here.post(asked.url, {"password": PASSWORD}).status_code == 302
    assert there.get("/team/").status_code == 302
    assert here.get("/team/").status_code == 200


def test_invitation_flow_from_link_to_the_first_page(team, client_as):
    admin = client_as("admin")
    page = admin.post("/team/people/invite/", {"email": "new@p.example", "role": "validator"})
    link = page.context["link"]
    assert link.encode() in page.content
    path = "/" + link.split("/", 3)[3]
    guest = Client()
    assert team.name.encode() in guest.get(path).content
    weak = guest.post(path, {"name": "New", "password": "password"})
    assert b"too common" in weak.content
    joined = guest.post(path, {"name": "New", "password": PASSWORD})
    assert joined.status_code == 302
    assert b"validator" in guest.get("/team/").content
    assert Client().get(path).status_code == 404


def test_only_administrators_see_and_reach_people_management(team, client_as):
    viewer = client_as("viewer")
    assert b"Invite" not in viewer.get("/team/people/").content
    response = viewer.post("/team/people/invite/", {"email": "a@b.example", "role": "admin"})
    assert response.status_code == 403
    assert b"people.manage" in response.content


def test_roles_are_changed_and_members_removed_in_the_browser(team, client_as):
    admin, other = client_as("admin"), client_as("viewer")
    admin.post(f"/team/people/{other.user.pk}/role/", {"role": "trader"})
    assert Membership.objects.get(user=other.user).role == "trader"
    admin.post(f"/team/people/{other.user.pk}/remove/")
    shut_out = other.get("/team/")
    assert shut_out.status_code == 403
    assert b"belong to no team" in shut_out.content
    page = admin.post(f"/team/people/{admin.user.pk}/remove/", follow=True)
    assert b"last administrator" in page.content


def test_people_of_another_team_are_not_found(team, other_team, client_as):
    theirs = client_as("viewer", other_team)
    page = client_as("admin").post(f"/team/people/{theirs.user.pk}/remove/", follow=True)
    assert b"no member" in page.content
    assert Membership.objects.filter(user=theirs.user).exists()


def test_a_token_is_shown_once_and_revoked(team, client_as):
    client = client_as("researcher")
    form = {"name": "nightly", "days": 30, "scopes": ["team.read"]}
    page = client.post("/team/tokens/", form)
    plain = page.context["plain"]
    assert plain.encode() in page.content
    assert plain.encode() not in client.get("/team/tokens/").content
    caller = Client(headers={"authorization": f"Bearer {plain}"})
    assert caller.get("/api/v1/me").json()["permissions"] == ["team.read"]
    client.post(f"/team/tokens/{Token.objects.get().pk}/revoke/")
    selectors.forget_tokens()
    assert caller.get("/api/v1/me").status_code == 401


def test_a_token_without_scopes_is_not_made(team, client_as):
    page = client_as("viewer").post("/team/tokens/", {"name": "n", "days": 30})
    assert page.context["form"].errors["scopes"]
    assert not Token.objects.exists()


def test_disabled_people_lose_pages_and_tokens_at_once(team, client_as):
    client = client_as("viewer")
    me = selectors.actor_of_user(client.user)
    _, plain = services.create_token(actor=me, name="t", now=clock.now())
    User.objects.filter(pk=client.user.pk).update(is_active=False)
    assert client.get("/team/").status_code == 302
    assert (
        Client(headers={"authorization": f"Bearer {plain}"}).get("/api/v1/me").status_code == 401
    )


def test_switching_the_team(team, other_team, client_as):
    client = client_as("viewer")
    Membership.objects.create(user=client.user, team=other_team, role="trader")
    client.post("/team/switch/", {"team": other_team.pk})
    assert client.get("/api/v1/me").json()["team_id"] == other_team.pk
    assert client.post("/team/switch/", {"team": 999_999}).status_code == 404
    assert client.post("/team/switch/", {"team": "x"}).status_code == 404


def test_unknown_pages_say_so_with_a_request_id(team, client_as):
    response = client_as("viewer").get("/no/such/page/")
    assert response.status_code == 404
    assert response["X-Request-ID"].encode() in response.content


@pytest.mark.parametrize(
    "path", ["/accounts/logout/", "/accounts/password/reset/", "/accounts/2fa/"]
)
def test_account_pages_have_the_lab_s_look(team, client_as, path):
    response = client_as("viewer").get(path)
    assert response.status_code in {200, 302}
    if response.status_code == 200:
        assert b"css/tokens" in response.content
        assert b"<script>" not in response.content
        assert b"style=" not in response.content
