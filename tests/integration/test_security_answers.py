"""What every answer of every door tells the browser, and what doors do with odd requests."""

import importlib
import json
import logging
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
from django.conf import settings as configured
from django.core import mail
from django.test import Client
from django.urls import URLPattern, get_resolver

from apps.assistant.llms.openai import OpenAI
from quantsite.settings.logging import LOGGING
from tests.factories import people

CONVERTERS = {
    "int": "1",
    "str": "x",
    "slug": "x",
    "path": "x",
    "uuidstr": "00000000-0000-4000-8000-000000000000",
    "uuid": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
}
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data: blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def addresses(patterns=None, prefix="/"):
    """Every address of the site, with something in place of each of its parts."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = str(pattern.pattern)
        if route.startswith("^"):
            route = re.sub(r"\(\?P<\w+>[^)]*\)", "x", route).strip("^$").replace("\\", "")
        route = re.sub(r"<(?:(\w+):)?\w+>", lambda part: CONVERTERS[part[1] or "str"], route)
        if isinstance(pattern, URLPattern):
            yield prefix + route
        else:
            yield from addresses(pattern.url_patterns, prefix + route)


def faults(path, answer):
    """What a browser should have been told and was not."""
    told = answer.headers
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in told.get("Content-Security-Policy", "").split(";")
    )
    wanted = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    }
    found = [name for name, value in wanted.items() if told.get(name) != value]
    found += ["policy"] if policy != POLICY else []
    found += (
        ["Permissions-Policy"] if "camera=()" not in told.get("Permissions-Policy", "") else []
    )
    found += (
        ["Cache-Control"]
        if not re.search("no-store|no-cache", told.get("Cache-Control", ""))
        else []
    )
    kind = told.get("Content-Type", "")
    found += (
        ["charset"] if kind.startswith("text/") and "charset=utf-8" not in kind.lower() else []
    )
    found += ["Access-Control-Allow-Origin"] if "Access-Control-Allow-Origin" in told else []
    found += ["Server"] if "Server" in told or "X-Powered-By" in told else []
    return [f"{path}: {answer.status_code} {', '.join(found)}"] if found else []


@pytest.fixture
def secure(settings):
    """The settings of a team deployment that make headers, over HTTPS."""
    prod = importlib.import_module("quantsite.settings.prod")
    for name in ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD"):
        setattr(settings, name, getattr(prod, name))
    return {"secure": True}


def test_every_address_answers_with_every_header(db, team, secure):
    client = Client(raise_request_exception=False)
    client.force_login(people.make_user(team, "admin"), configured.AUTHENTICATION_BACKENDS[0])
    seen, found, statuses = list(dict.fromkeys(addresses())), [], set()
    assert len(seen) > 250
    assert {
        "/",
        "/accounts/login/",
        "/api/v1/docs",
        "/api/v1/openapi.json",
        "/metrics",
    } <= set(seen)
    for path in seen:
        if path == "/accounts/logout/":
            continue
        answer = client.get(path, **secure)
        statuses.add(answer.status_code)
        found += faults(path, answer)
    assert found == []
    assert {200, 302, 404, 405} <= statuses


def test_answers_to_strangers_and_to_the_lost_have_them_too(db, team, secure, monkeypatch):
    from apps.accounts import views

    signed_out = Client()
    for path in (
        "/",
        "/accounts/login/",
        "/team/",
        "/api/v1/me",
        "/nowhere",
        "/api/v1/nowhere",
        "/static/none.js",
        "/health",
    ):
        answer = signed_out.get(path, **secure)
        assert faults(path, answer) == []
    asked = signed_out.post("/api/v1/tokens", "{", "application/json", **secure)
    assert faults("a write", asked) == []
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/accounts/login/", {"login": "a"}, **secure)
    assert answer.status_code == 403
    assert faults("a forged form", answer) == []
    broken = Client(raise_request_exception=False)
    broken.force_login(people.make_user(team, "admin"), configured.AUTHENTICATION_BACKENDS[0])
    monkeypatch.setattr(views.selectors, "list_members", lambda *_: 1 / 0)
    answer = broken.get("/team/people/", **secure)
    assert answer.status_code == 500
    assert faults("a defect", answer) == []


def test_no_answer_has_a_script_or_style_of_its_own(db, team):
    """The policy would stop them; so there are none that are meant."""
    client = Client(raise_request_exception=False)
    client.force_login(people.make_user(team, "admin"), configured.AUTHENTICATION_BACKENDS[0])
    for path in (
        "/",
        "/accounts/2fa/",
        "/accounts/sessions/",
        "/api/v1/docs",
        "/nowhere",
        "/accounts/password/change/",
    ):
        text = client.get(path).content.decode()
        scripts = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", text)
        assert scripts == [], path
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text), path
        assert not re.search(
            r"(?:src|href)=[\"'](?:https?:)?//(?!www\.w3\.org)",
            text.replace('href="https://', 'h="'),
        ), path


def test_static_files_are_kept_by_browsers_and_for_this_site_only(secure, settings, tmp_path):
    (tmp_path / "x.js").write_text("1")
    settings.STATIC_ROOT = tmp_path
    answer = Client().get("/static/x.js", **secure)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "max-age" in answer["Cache-Control"]
    for path in (
        "/static/",
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/.git/config",
        "/media/",
    ):
        assert Client().get(path, **secure).status_code == 404, path


def test_nobody_is_sent_to_another_site(db, team):
    person = people.make_user(team, "viewer")
    for away in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:evil.example",
    ):
        client = Client()
        given = {"login": person.email, "password": "a good passphrase", "next": away}
        answer = client.post("/accounts/login/", given)
        assert answer.status_code == 302, away
        assert answer.url == "/", away
        assert client.post("/accounts/logout/", {"next": away}).url == "/"


@pytest.mark.parametrize("method", ["trace", "options", "head"])
def test_no_method_echoes_what_was_sent(db, method):
    for path in ("/", "/accounts/login/", "/api/v1/me", "/health"):
        answer = getattr(Client(), method)(path, headers={"x-mark": "e9c1-mark"})
        assert "e9c1-mark" not in str(answer.headers) + answer.content.decode()
        assert method != "trace" or answer.status_code != 200


def test_a_sign_in_form_of_another_site_signs_nobody_in(db, team):
    person = people.make_user(team, "viewer")
    given = {"login": person.email, "password": "a good passphrase"}
    for origin in (None, "null", "https://evil.example", "http://testserver.evil.example"):
        client = Client(enforce_csrf_checks=True)
        token = client.get("/accounts/login/").cookies["csrftoken"].value
        headers = {"origin": origin} if origin else {}
        sent = given if origin is None else {**given, "csrfmiddlewaretoken": token}
        answer = client.post("/accounts/login/", sent, headers=headers)
        assert answer.status_code == 403, origin
        assert "comes from elsewhere" in answer.content.decode()
        assert client.get("/team/").status_code == 302


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_rest_by_session_wants_the_token_whatever_the_content_says_it_is(client_as, kind):
    client = Client(enforce_csrf_checks=True)
    client.force_login(client_as("admin").user, configured.AUTHENTICATION_BACKENDS[0])
    body = json.dumps({"name": "x", "scopes": ["team.read"]})
    answer = client.post("/api/v1/tokens", body, kind)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


def test_reading_changes_nothing_at_doors_that_change(client_as):
    client = client_as("admin")
    for path in (
        "/team/people/invite/",
        "/team/tokens/1/revoke/",
        "/team/switch/",
        "/team/sessions/1/end/",
    ):
        assert client.get(path).status_code == 405, path
    assert client.get("/accounts/logout/").status_code == 200
    assert client.get("/team/").status_code == 200


def test_cookies_are_told_to_stay_on_this_host(db, team, settings):
    prod = importlib.import_module("quantsite.settings.prod")
    for name in (
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
    ):
        setattr(settings, name, getattr(prod, name))
    person = people.make_user(team, "viewer")
    client = Client()
    client.get("/accounts/login/", secure=True)
    client.post(
        "/accounts/login/", {"login": person.email, "password": "a good passphrase"}, secure=True
    )
    assert set(client.cookies) == {"__Host-sessionid", "__Host-csrftoken"}
    for name, cookie in client.cookies.items():
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", ""), name
        assert cookie["samesite"] == "Lax", name
    assert client.cookies["__Host-sessionid"]["httponly"]
    assert client.get("/team/", secure=True).status_code == 200


def test_programs_are_refused_in_the_clear_and_people_sent_on(db, team, settings, api_as):
    prod = importlib.import_module("quantsite.settings.prod")
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = prod.SECURE_REDIRECT_EXEMPT
    program = api_as("viewer")
    refused = program.get("/api/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (403, "https.only")
    assert program.get("/api/v1/me", secure=True).status_code == 200
    sent_on = Client().get("/team/")
    assert (sent_on.status_code, sent_on.url) == (301, "https://testserver/team/")


def test_what_is_for_builders_is_not_in_a_team_deployment(client_as, settings):
    client = client_as("viewer")
    assert client.get("/gallery").status_code == 200
    settings.ENVIRONMENT = "prod"
    assert client.get("/gallery").status_code == 404
    ignored = (configured.BASE_DIR / ".dockerignore").read_text().split()
    assert {".git", "tests", "deploy/secrets"} <= set(ignored)


def test_one_name_twice_or_in_another_place_counts_for_nothing(api_as):
    admin = api_as("admin")
    body = json.dumps({"name": "from the body", "scopes": ["team.read"]})
    path = "/api/v1/tokens?name=from-the-address&scopes=people.manage"
    made = admin.post(path, body, "application/json")
    assert made.status_code == 201, made.content
    listed = admin.get("/api/v1/tokens").json()["items"]
    (mine,) = [one for one in listed if one["name"] == "from the body"]
    assert mine["scopes"] == ["team.read"]
    assert admin.get("/api/v1/tokens?limit=1&limit=99999").status_code == 422


def test_no_line_of_the_log_is_made_by_who_asks(db, caplog):
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=LOGGING["formatters"]["json"]["processors"],
        foreign_pre_chain=LOGGING["formatters"]["json"]["foreign_pre_chain"],
    )
    caplog.set_level(logging.INFO)
    for path in (
        "/nowhere%0d%0a%7b%22event%22:%22forged%22%7d",
        "/nowhere%1b[2J",
        "/api/v1/%0aforged",
    ):
        Client().get(path)
    lines = [formatter.format(record) for record in caplog.records]
    assert len(lines) >= 3
    for line in lines:
        assert "\n" not in line
        assert "\x1b" not in line
        assert json.loads(line)["event"] != "forged"


def test_an_address_with_lines_in_it_gets_no_mail(db, team):
    people.make_user(team, "viewer")
    mail.outbox.clear()
    given = {"email": "a@mine.example\nBcc: b@evil.example"}
    assert Client().post("/accounts/password/reset/", given).status_code == 200
    assert mail.outbox == []


def test_a_model_that_answers_elsewhere_is_not_followed():
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        model = OpenAI(key="k", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout=20)
        with pytest.raises(Exception, match=r"307|openai"):
            model.propose(instructions="i", prompt="p")
        server.shutdown()
        thread.join()
    assert asked == ["/v1/chat/completions"]
