"""Signing in, sessions, factors and passwords: what is guessed, how long it lasts, who is told."""

import hashlib
import importlib
import json
import logging
import re
from datetime import timedelta
from io import StringIO

import pytest
import structlog
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal import auth, flows
from allauth.mfa.totp.internal import auth as totp
from allauth.usersessions.models import UserSession
from django.contrib.auth.password_validation import CommonPasswordValidator, validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client

from apps.accounts import backends, selectors, services
from apps.accounts.kernel import passwords
from apps.accounts.models import Membership
from apps.audit.models import AuditEvent
from apps.core import clock, secrets
from apps.core.actors import system
from apps.core.errors import Invalid
from apps.core.models import Job
from apps.strategies.services.alert_targets import save_alert_target
from quantsite.settings.logging import LOGGING
from tests.factories import people

PASSWORD = "a good passphrase"
NEW = "another good passphrase"
SHOWN_AT = "/accounts/2fa/recovery-codes/"
CANARY = "cAnArY-7f3a91-secret"


@pytest.fixture(autouse=True)
def fresh(servers, django_db_setup):
    from django.core.cache import cache

    cache.clear()
    selectors.forget_tokens()


@pytest.fixture
def person(db, team):
    return people.make_user(team, "researcher")


@pytest.fixture
def told():
    """What the lab's own log handler writes meanwhile."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    form = LOGGING["formatters"]["json"]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=form["processors"], foreign_pre_chain=form["foreign_pre_chain"]
        )
    )
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def sign_in(client, person, password=PASSWORD, **extra):
    return client.post("/accounts/login/", {"login": person.email, "password": password}, **extra)


def is_in(client):
    return client.get("/team/").status_code == 200


def code_of(secret, later=0):
    counter = next(totp.yield_hotp_counters_from_time()) + later
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def reauthenticated(client, path):
    asked = client.get(path)
    assert asked.url.startswith("/accounts/reauthenticate/")
    return client.post(asked.url, {"password": PASSWORD}, follow=True)


# --- Passwords ---


def test_no_common_password_is_taken_whatever_is_put_around_it():
    common = CommonPasswordValidator().passwords
    words = sorted(one for one in common if len(one) >= 4 and any(map(str.isalpha, one)))
    assert len(words) > 15_000
    around = ("{}123456789", "2026{}!!!!!!!!", "{0}{0}{0}", "__{}__________")
    tried = [around[number % 4].format(word) for number, word in enumerate(words)]
    long_enough = [one for one in tried if len(one) >= 12]
    assert len(long_enough) > 15_000
    assert [one for one in long_enough if not passwords.weakness(one, common)] == []


@pytest.mark.parametrize(
    "weak",
    [
        "short words", "Quantsite2026!", "quant-trading-lab", "P4ssw0rd!P4ssw0rd!",
        "123456789012345", "qwertyuiopqwerty", "zyxwvutsrqponm", "aaaabbbbaaaabbbb",
        "Administrator#1", "correcthorsecorrecthorse"[:11], "my.address.of@mine.example",
    ],
)  # fmt: skip
def test_what_is_guessed_first_is_refused(weak, db, team):
    user = people.make_user(team, "viewer")
    user.email = "my.address.of@mine.example"
    with pytest.raises(ValidationError):
        validate_password(weak, user)


@pytest.mark.parametrize(
    "good",
    [
        PASSWORD, "only small letters here", "ALLCAPITALLETTERS OF MINE", "271828459045235360",
        "пароль из слов", "雪が降る夜に読む本と猫の話", "spaces   and\ttabs too", "x7#Kq9!vLm2$",
        "thirty horses " * 10,
    ],
)  # fmt: skip
def test_any_kind_of_characters_will_do(good, db, team):
    validate_password(good, people.make_user(team, "viewer"))


def test_a_password_is_taken_exactly_as_it_was_typed(person):
    odd = "  Ünïcode, CAPITALS and spaces " + "x1y2" * 20 + "  "
    client = Client()
    sign_in(client, person)
    form = {"oldpassword": PASSWORD, "password1": odd, "password2": odd}
    assert client.post("/accounts/password/change/", form).status_code == 302
    for other in (odd.strip(), odd.lower(), odd[:72]):
        assert sign_in(Client(), person, other).status_code == 200
    again = Client()
    sign_in(again, person, odd)
    assert is_in(again)


def test_a_change_wants_the_password_there_was(person):
    client = Client()
    sign_in(client, person)
    form = {"oldpassword": "not it, not it", "password1": NEW, "password2": NEW}
    assert client.post("/accounts/password/change/", form).status_code == 200
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/change/"])
def test_fields_of_passwords_are_masked_and_let_managers_work(person, path):
    client = Client()
    if "change" in path:
        sign_in(client, person)
    fields = re.findall(
        r"<input[^>]*name=\"(?:old)?password\d?\"[^>]*>", client.get(path).content.decode()
    )
    assert fields
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert "onpaste" not in field
        assert "maxlength" not in field


def test_passwords_are_stored_by_a_slow_hash():
    from django.conf import global_settings

    base = importlib.import_module("quantsite.settings.base")
    assert not hasattr(base, "PASSWORD_HASHERS")  # the framework's own: PBKDF2, SHA-256
    assert global_settings.PASSWORD_HASHERS[0].endswith("PBKDF2PasswordHasher")
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    assert PBKDF2PasswordHasher.iterations >= 600_000


# --- Guessing ---


def test_guesses_at_one_account_are_few_wherever_they_come_from(person):
    for number in range(5):
        client = Client()
        sign_in(client, person, "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    late = Client()
    answer = sign_in(late, person, REMOTE_ADDR="192.0.2.99")
    assert b"Too many" in answer.content
    assert not is_in(late)


def test_guesses_from_one_address_are_few_whatever_they_are_at(team, person):
    others = [people.make_user(team, "viewer") for _ in range(10)]
    for number, other in enumerate(others):
        # What the sender says of itself does not count.
        forged = {"HTTP_X_FORWARDED_FOR": f"198.51.100.{number}", "HTTP_X_REAL_IP": "1.2.3.4"}
        sign_in(Client(), other, "wrong", REMOTE_ADDR="192.0.2.7", **forged)
    late, elsewhere = Client(), Client()
    assert b"Too many" in sign_in(late, person, REMOTE_ADDR="192.0.2.7").content
    assert not is_in(late)
    sign_in(elsewhere, person, REMOTE_ADDR="192.0.2.8")
    assert is_in(elsewhere)


def test_codes_are_guessed_no_faster_from_new_sessions(person):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    clients = [Client() for _ in range(12)]
    where = {client: sign_in(client, person).url for client in clients}
    for number, client in enumerate(clients[:-1]):
        client.post(where[client], {"code": f"{number:06}"}, REMOTE_ADDR=f"192.0.2.{number}")
    last = clients[-1]
    answer = last.post(where[last], {"code": code_of(secret)}, REMOTE_ADDR="192.0.2.77")
    assert answer.status_code in {200, 429}
    assert not is_in(last)


def test_a_recovery_code_is_good_once(person):
    totp.TOTP.activate(person, totp.generate_totp_secret())
    code = auth.RecoveryCodes.activate(person).get_unused_codes()[0]
    assert len(code) >= 8
    first, second = Client(), Client()
    where = sign_in(first, person).url
    first.post(where, {"code": code})
    assert is_in(first)
    sign_in(second, person)
    second.post(where, {"code": code})
    assert not is_in(second)


def test_a_code_of_a_minute_ago_is_no_code(person):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = Client()
    where = sign_in(client, person).url
    for later in (-3, -2, 2, 3):
        client.post(where, {"code": code_of(secret, later)})
    assert not is_in(client)


def test_nobody_learns_who_has_an_account(person):
    answers = [
        Client().post("/accounts/login/", {"login": email, "password": "wrong words here"})
        for email in (person.email, "nobody-at-all@mine.example")
    ]
    plain = [re.sub(rb'value="[^"]*"|nonce|[0-9a-f]{32}', b"", one.content) for one in answers]
    assert answers[0].status_code == answers[1].status_code == 200
    assert plain[0] == plain[1]
    resets = [
        Client().post("/accounts/password/reset/", {"email": email})
        for email in (person.email, "nobody-at-all@mine.example")
    ]
    assert [one.status_code for one in resets] == [302, 302]
    assert resets[0].url == resets[1].url


def test_a_reset_by_mail_does_not_get_past_the_second_factor(person):
    totp.TOTP.activate(person, totp.generate_totp_secret())
    client = Client()
    client.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", mail.outbox[-1].body)[1]
    path = client.get(link, follow=True).redirect_chain[-1][0]
    client.post(path, {"password1": NEW, "password2": NEW})
    assert not is_in(client)
    assert sign_in(client, person, NEW).url == "/accounts/2fa/authenticate/"
    assert not is_in(client)
    used = Client().get(link, follow=True)
    assert b"password1" not in used.content


# --- Factors ---


def test_seeds_of_factors_are_sealed_and_open_again(person, settings):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    auth.RecoveryCodes.activate(person)
    rows = {row.type: row.data for row in Authenticator.objects.filter(user=person)}
    assert rows["totp"]["secret"].startswith(f"{secrets.MARK}.")
    assert "seed" not in rows["recovery_codes"]
    assert rows["recovery_codes"]["hashes"].startswith(f"{secrets.MARK}.")
    assert secret not in json.dumps(rows)
    client = Client()
    where = sign_in(client, person).url
    client.post(where, {"code": code_of(secret)})
    assert is_in(client)


def test_recovery_codes_are_kept_as_salted_hashes_and_shown_for_minutes(person, monkeypatch):
    client = Client()
    sign_in(client, person)
    page = reauthenticated(client, "/accounts/2fa/totp/activate/")
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(page.context["form"].secret)})
    codes = client.get(SHOWN_AT).context["unused_codes"]
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"[0-9]{12}", code) for code in codes)
    assert client.get(f"{SHOWN_AT}download/").content.decode().split() == codes
    row = Authenticator.objects.get(user=person, type="recovery_codes")
    kept = json.loads(secrets.unseal(row.data["hashes"]))
    salt, rounds = bytes.fromhex(row.data["salt"]), row.data["rounds"]
    assert len(salt) == 16
    again = [hashlib.pbkdf2_hmac("sha256", one.encode(), salt, rounds).hex() for one in codes]
    assert kept == again
    stored = json.dumps([row.data, dict(client.session)])
    assert not any(code in stored for code in codes)
    other, late = Client(), clock.now() + timedelta(minutes=11)
    other.post(sign_in(other, person).url, {"code": codes[3]})
    assert is_in(other)
    with monkeypatch.context() as elsewhen:
        elsewhen.setattr(clock, "now", lambda: late)
        shown = client.get(SHOWN_AT)
    assert not any(code in shown.content.decode() for code in codes)
    assert len(shown.context["unused_codes"]) == 9
    hidden = Client()
    hidden.force_login(person)
    assert not any(code in hidden.get(SHOWN_AT, follow=True).content.decode() for code in codes)


def test_new_recovery_codes_end_the_old_and_seeds_from_before_become_hashes(person):
    totp.TOTP.activate(person, totp.generate_totp_secret())
    seed = {"seed": "ab" * 40, "used_mask": 2}
    row = Authenticator.objects.create(user=person, type="recovery_codes", data=seed)
    before = auth.RecoveryCodes(row).generate_codes()
    assert auth.RecoveryCodes(row).validate_code(before[0])
    services.reseal_second_factors(actor=system("reseal_keys"), now=clock.now())
    row.refresh_from_db()
    assert "seed" not in row.data
    holds = row.wrap()
    assert [holds.validate_code(code) for code in before[:3]] == [False, False, True]
    assert holds.validate_code(f" {before[3][:4]} {before[3][4:]} ")
    row.delete()
    new = auth.RecoveryCodes.activate(person)
    assert not any(new.validate_code(code) for code in before)
    assert new.validate_code(new.get_unused_codes()[9])
    assert flows.RecoveryCodes is auth.RecoveryCodes is type(row.wrap())


def test_a_person_who_lost_every_factor_is_let_in_anew_and_told(
    person, team, other_team, django_capture_on_commit_callbacks
):
    Membership.objects.create(user=person, team=other_team, role="viewer")
    totp.TOTP.activate(person, totp.generate_totp_secret())
    auth.RecoveryCodes.activate(person)
    Authenticator.objects.create(
        user=person, type="webauthn", data={"name": "lost", "credential": {}}
    )
    client = Client()
    client.force_login(person)
    assert is_in(client)
    actor = selectors.actor_of_user(person, team.pk)
    _, plain = services.create_token(
        actor=actor, name="t", scopes=["team.read"], days=1, now=clock.now()
    )
    mail.outbox.clear()
    words = ["reset_factors", person.email, "--reason", "Seen at the desk by the administrator"]
    out = StringIO()
    with django_capture_on_commit_callbacks(execute=True):
        call_command(*words, stdout=out)
    counts = {"totp": 1, "webauthn": 1, "recovery_codes": 1, "sessions": 1, "tokens": 1}
    assert json.loads(out.getvalue()) == counts
    assert not Authenticator.objects.filter(user=person).exists()
    assert not is_in(client)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {plain}"}
    assert Client().get("/api/v1/me", **bearer).status_code == 401
    (told,) = mail.outbox
    assert told.to == [person.email]
    rows = AuditEvent.objects.filter(action="factors.reset", subject=f"user:{person.pk}")
    assert {row.team_id for row in rows} == {team.pk, other_team.pk}
    sign_in(client, person)
    assert is_in(client)
    with pytest.raises(SystemExit):
        call_command("reset_factors", person.email, "--reason", " ", stderr=StringIO())


def test_seeds_that_lay_open_are_sealed_with_the_other_keys(person, settings):
    from cryptography.fernet import Fernet

    secret = totp.generate_totp_secret()
    row = Authenticator.objects.create(user=person, type="totp", data={"secret": secret})
    assert backends.SecondFactorAdapter().decrypt(row.data["secret"]) == secret
    settings.SEAL_KEY = f"{Fernet.generate_key().decode()},{settings.SEAL_KEY}"
    count = services.reseal_second_factors(actor=system("reseal_keys"), now=clock.now())
    assert count >= 1
    settings.SEAL_KEY = settings.SEAL_KEY.partition(",")[0]
    row.refresh_from_db()
    assert secret not in json.dumps(row.data)
    assert backends.SecondFactorAdapter().decrypt(row.data["secret"]) == secret


def test_a_lab_that_asks_for_two_factors_lets_nobody_in_with_one(person, settings, api_as):
    settings.SECOND_FACTOR_REQUIRED = True
    client = Client()
    sign_in(client, person)
    for path in ("/", "/team/", "/live/", "/audit/"):
        answer = client.get(path)
        assert (answer.status_code, answer.url) == (302, "/accounts/2fa/"), path
    rest = client.get("/api/v1/me")
    assert (rest.status_code, rest.json()["code"]) == (403, "second_factor.missing")
    assert client.post("/team/switch/", {"team": 1}).url == "/accounts/2fa/"
    page = reauthenticated(client, "/accounts/2fa/totp/activate/")
    code = code_of(page.context["form"].secret)
    assert client.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    assert is_in(client)
    assert client.get("/api/v1/me").status_code == 200


def test_a_team_deployment_asks_for_two_factors_and_keeps_cookies_to_its_host():
    prod = importlib.import_module("quantsite.settings.prod")
    assert prod.SECOND_FACTOR_REQUIRED
    assert prod.SESSION_COOKIE_NAME.startswith("__Host-")
    assert prod.CSRF_COOKIE_NAME.startswith("__Host-")
    assert prod.SESSION_COOKIE_SECURE
    assert prod.CSRF_COOKIE_SECURE
    assert getattr(prod, "SESSION_COOKIE_DOMAIN", None) is None
    assert getattr(prod, "SESSION_COOKIE_PATH", "/") == "/"
    assert prod.SECURE_HSTS_SECONDS >= 31_536_000
    assert prod.SECURE_HSTS_INCLUDE_SUBDOMAINS
    assert prod.DEBUG is False
    assert not prod.NOTICES_TO_PRIVATE_HOSTS


# --- Who is told ---


def test_a_changed_password_is_told_by_mail(person):
    client = Client()
    sign_in(client, person)
    mail.outbox.clear()
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    client.post("/accounts/password/change/", form)
    (told,) = mail.outbox
    assert told.to == [person.email]
    assert "password" in told.subject.lower()
    assert NEW not in told.body


def test_a_new_and_a_removed_factor_are_told_by_mail(person):
    client = Client()
    sign_in(client, person)
    page = reauthenticated(client, "/accounts/2fa/totp/activate/")
    code = code_of(page.context["form"].secret)
    mail.outbox.clear()
    client.post("/accounts/2fa/totp/activate/", {"code": code})
    client.post("/accounts/2fa/totp/deactivate/")
    assert [one.to for one in mail.outbox] == [[person.email]] * len(mail.outbox)
    subjects = " ".join(one.subject.lower() for one in mail.outbox)
    assert "activated" in subjects
    assert "deactivated" in subjects


def test_a_mail_server_that_is_away_stops_no_change(person, settings):
    client = Client()
    sign_in(client, person)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert client.post("/accounts/password/change/", form).status_code == 302
    person.refresh_from_db()
    assert person.check_password(NEW)


def test_factors_and_addresses_change_only_for_who_signs_in_anew(person):
    client = Client()
    sign_in(client, person)
    for path in (
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/generate/",
    ):
        assert client.get(path).url.startswith("/accounts/reauthenticate/"), path
    asked = client.post("/accounts/email/", {"email": "x@evil.example", "action_add": ""})
    assert asked.url.startswith("/accounts/reauthenticate/")
    asked = client.post("/accounts/sessions/", {})
    assert asked.url.startswith("/accounts/reauthenticate/")


# --- How long ---


@pytest.mark.parametrize(
    ("field", "hours"),
    [("created_at", "SESSION_MAX_HOURS"), ("last_seen_at", "SESSION_IDLE_HOURS")],
)
def test_a_session_ends_when_it_is_old_or_idle(person, settings, monkeypatch, field, hours):
    client = Client()
    sign_in(client, person)
    assert is_in(client)
    key, now = client.session.session_key, clock.now()
    assert not selectors.session_is_over(key, now)
    ago = now - timedelta(hours=getattr(settings, hours), seconds=-30)
    UserSession.objects.filter(session_key=key).update(**{field: ago})
    assert not selectors.session_is_over(key, now)
    UserSession.objects.filter(session_key=key).update(**{field: ago - timedelta(minutes=1)})
    actor = selectors.actor_of_user(person)
    assert not selectors.session_holds(key, person.pk, actor.team, now)  # the sockets' question
    monkeypatch.setattr(backends, "NOTE_EVERY", timedelta(0))
    answer = client.get("/team/")
    assert answer.status_code == 302
    assert "/accounts/login/" in answer.url
    assert not UserSession.objects.filter(session_key=key, user=person).exists() or not is_in(
        client
    )
    assert "Clear-Site-Data" not in answer


def test_signing_in_makes_a_new_session_and_signing_out_ends_it(person):
    client = Client()
    client.get("/accounts/login/")
    client.cookies["sessionid"] = "chosen-by-somebody-else-0123456789"
    sign_in(client, person)
    key = client.cookies["sessionid"].value
    assert key != "chosen-by-somebody-else-0123456789"
    assert len(key) >= 32
    stale = Client()
    stale.cookies["sessionid"] = key
    assert is_in(stale)
    answer = client.post("/accounts/logout/")
    assert answer["Clear-Site-Data"] == '"storage"'
    assert not is_in(stale)


def test_every_page_offers_signing_out(client_as):
    for path in ("/", "/team/", "/live/", "/audit/", "/accounts/2fa/"):
        assert "/accounts/logout/" in client_as("viewer").get(path).content.decode(), path


def test_an_administrator_shuts_a_person_out_of_every_session(person):
    clients = [Client(), Client()]
    for client in clients:
        sign_in(client, person)
        assert is_in(client)
    call_command("set_user", person.email, "--disable", stdout=StringIO())
    assert [is_in(client) for client in clients] == [False, False]


# --- Logs and sinks ---


def test_signing_in_and_failing_to_are_logged_with_who_when_and_where(person, told):
    client = Client()
    sign_in(client, person, "wrong words", REMOTE_ADDR="192.0.2.44")
    sign_in(client, person, REMOTE_ADDR="192.0.2.44")
    client.get("/api/v1/proposals/policies")
    client.post("/accounts/logout/", REMOTE_ADDR="192.0.2.44")
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    mine = {line["event"]: line for line in lines if line["event"].startswith("accounts.")}
    for event in ("sign_in_refused", "step", "signed_in", "signed_out"):
        line = mine[f"accounts.{event}"]
        assert line["user"] == f"user:{person.pk}"
        assert line["ip"] == "192.0.2.44"
        assert line["timestamp"].endswith("Z")
        assert line["request_id"]
    assert mine["accounts.step"]["method"] == "password"
    assert person.email not in told.getvalue()


def test_what_was_denied_is_logged(client_as, told):
    client_as("viewer").post("/team/people/invite/", {"email": "a@b.example", "role": "admin"})
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    denied = [line for line in lines if line.get("code") == 403 or "Forbidden" in line["event"]]
    assert denied
    assert "/team/people/invite/" in json.dumps(denied)


def test_no_sink_holds_a_secret(person, team, told, api_as, monkeypatch):
    """Passwords, tokens, links, keys and addresses: in no log, answer, event, job or figure."""
    answers, known, admin = [], Client(), api_as("admin")
    person.set_password(CANARY)
    person.save()
    answers.append(sign_in(known, person, CANARY))
    answers.append(sign_in(Client(), person, f"{CANARY}-wrong"))
    answers.append(known.get("/api/v1/me", headers={"authorization": f"Bearer {CANARY}"}))
    body = {"key": {"api_key": CANARY, "secret": CANARY}}
    answers.append(admin.put("/api/v1/providers/none/key", body, content_type="application/json"))
    for path in (f"/team/join/{CANARY}/", f"/accounts/password/reset/key/1-{CANARY}/"):
        known.get(path)  # whose answers may repeat what was asked for
    texts = [give_addresses(people.make_user(team, "admin"))]
    answers.append(admin.get("/api/v1/alerts/targets"))

    def broken(*_args, **_options):
        message = f"GET https://vendor.example/x?api_key={CANARY} failed"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(selectors, "get_team", broken)
    monkeypatch.setattr(selectors, "list_members", broken)
    answers.append(admin.get("/api/v1/me"))
    known.raise_request_exception = False
    answers.append(known.get("/team/people/"))
    assert [one.status_code for one in answers[-2:]] == [500, 500]
    answers.append(known.get("/metrics", REMOTE_ADDR="127.0.0.1"))
    texts += [one.content.decode() for one in answers]
    texts.append(told.getvalue())
    texts += [bytes(event.body).decode() for event in AuditEvent.objects.all()]
    texts += [json.dumps(job.payload) for job in Job.objects.all()]
    assert "vendor.example" in told.getvalue()  # the defect itself is told
    assert [text for text in texts if CANARY in text] == []


def give_addresses(admin):
    """Store an address with the secret, and one that can't be; return what was said of it."""
    actor = selectors.actor_of_user(admin)
    address = f"json://127.0.0.1:1/{CANARY}"
    save_alert_target(actor=actor, name="mine", address=address, now=clock.now())
    with pytest.raises(Invalid) as raised:
        save_alert_target(actor=actor, name="bad", address=f"tgram://{CANARY}", now=clock.now())
    return raised.value.message
