"""The REST interface as a client meets it: who may, what fails how, repeats, limits."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client

from apps.accounts import selectors, services
from apps.accounts.models import Invitation
from apps.core import clock, rates
from apps.core.idempotency import digest_of
from apps.core.models import IdempotencyKey, Job

PROBLEM = {"type", "title", "status", "detail", "code", "instance", "request_id", "errors"}


@pytest.fixture(autouse=True)
def fresh_memory():
    selectors.forget_tokens()


def assert_problem(response, status, code):
    body = response.json()
    assert response.status_code == status, body
    assert response["Content-Type"] == "application/problem+json"
    assert set(body) == PROBLEM
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:quantsite:problem:{code}"
    assert body["request_id"] == response["X-Request-ID"] != ""
    assert body["detail"]
    return body


def with_token(plain):
    return Client(headers={"authorization": f"Bearer {plain}"})


def post(client, path, body=None, **headers):
    return client.post(path, json.dumps(body or {}), "application/json", headers=headers)


def test_without_token_the_answer_says_how_to_sign_in(db):
    response = Client().get("/api/v1/me")
    body = assert_problem(response, 401, "unauthenticated")
    assert "Authorization: Bearer" in body["detail"]
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_unknown_token_is_refused(db):
    assert_problem(with_token("qs_nonsense").get("/api/v1/me"), 401, "token.unknown")
    basic = Client(headers={"authorization": "Basic YTpi"})
    assert_problem(basic.get("/api/v1/me"), 401, "token.scheme")


def test_the_scheme_of_a_token_may_be_written_in_lower_case(team, actor):
    _, plain = services.create_token(actor=actor("viewer"), name="t", now=clock.now())
    client = Client(headers={"authorization": f"bearer {plain}"})
    assert client.get("/api/v1/me").status_code == 200


def test_expired_token_is_refused(team, actor):
    long_ago = clock.now() - timedelta(days=3)
    _, plain = services.create_token(actor=actor("viewer"), name="old", now=long_ago, days=1)
    body = assert_problem(with_token(plain).get("/api/v1/me"), 401, "token.expired")
    assert "make a new one" in body["detail"]


def test_revoked_token_is_refused(team, actor):
    me = actor("viewer")
    token, plain = services.create_token(actor=me, name="t", now=clock.now())
    assert with_token(plain).get("/api/v1/me").status_code == 200
    services.revoke_token(actor=me, token_id=token.pk, now=clock.now())
    selectors.forget_tokens()
    assert_problem(with_token(plain).get("/api/v1/me"), 401, "token.revoked")


def test_me_tells_who_calls(team, api_as):
    client = api_as("trader")
    body = client.get("/api/v1/me").json()
    assert (body["role"], body["team_id"]) == ("trader", team.pk)
    assert "trading.order" in body["permissions"]


def test_wrong_role_is_told_the_permission_it_lacks(team, api_as):
    response = post(
        api_as("researcher"), "/api/v1/invitations", {"email": "a@b.example", "role": "viewer"}
    )
    body = assert_problem(response, 403, "denied.permission")
    assert body["errors"] == [{"permission": "people.manage"}]


def test_token_scope_narrows_what_its_owner_may(team, actor):
    _, plain = services.create_token(
        actor=actor("admin"), name="n", scopes=["team.read"], now=clock.now()
    )
    response = post(
        with_token(plain), "/api/v1/invitations", {"email": "a@b.example", "role": "viewer"}
    )
    assert_problem(response, 403, "denied.permission")


def test_a_token_works_from_the_addresses_it_is_bound_to(team, api_as):
    body = {"name": "host", "scopes": ["team.read"], "networks": ["192.0.2.7", "198.51.100.0/24"]}
    made = api_as("viewer").post("/api/v1/tokens", body, content_type="application/json").json()
    assert made["networks"] == ["192.0.2.7/32", "198.51.100.0/24"]
    bound = Client(headers={"authorization": f"Bearer {made['token']}"})
    for address, status in (("192.0.2.7", 200), ("198.51.100.9", 200), ("192.0.2.8", 401)):
        answer = bound.get("/api/v1/me", REMOTE_ADDR=address)
        assert answer.status_code == status
    assert answer.json()["code"] == "token.address"
    assert "198.51.100" not in answer.content.decode(), "where it works is not told"


def test_an_address_that_is_none_is_refused(team, api_as):
    body = {"name": "host", "scopes": ["team.read"], "networks": ["everywhere"]}
    answer = api_as("viewer").post("/api/v1/tokens", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "token.networks")


def test_other_teams_things_look_like_missing_ones(team, other_team, api_as, now):
    theirs = Job.objects.create(
        team=other_team, kind="k", title="t", task="t", queue="io", created_by="x", created_at=now
    )
    client = api_as("admin")
    answers = []
    for job_id in (theirs.pk, uuid.uuid4()):
        for response in (
            client.get(f"/api/v1/jobs/{job_id}"),
            post(client, f"/api/v1/jobs/{job_id}/cancel"),
        ):
            body = assert_problem(response, 404, "job.not_found")
            answers.append(body["detail"].replace(str(job_id), "ID"))
    assert len(set(answers)) == 1
    assert client.get("/api/v1/jobs").json()["items"] == []


def test_wrong_fields_are_named(team, api_as):
    response = post(api_as("viewer"), "/api/v1/tokens", {"name": "", "days": 900})
    body = assert_problem(response, 422, "invalid.fields")
    assert {error["field"].rsplit(".", 1)[-1] for error in body["errors"]} == {"name", "days"}


def test_broken_json_is_a_problem(team, api_as):
    response = api_as("viewer").post("/api/v1/tokens", "{nope", "application/json")
    assert_problem(response, 400, "bad_request")


def test_unknown_paths_and_methods_are_problems(team, api_as):
    client = api_as("viewer")
    assert_problem(client.get("/api/v1/nothing/here"), 404, "not_found")
    assert_problem(client.get("/api/v2/me"), 404, "not_found")
    response = client.put("/api/v1/me")
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET"


def test_defects_show_an_id_and_no_trace(team, api_as, monkeypatch):
    def broken(*_args, **_options):
        raise ZeroDivisionError("secret detail")

    client = api_as("viewer")
    monkeypatch.setattr(selectors, "get_team", broken)
    body = assert_problem(client.get("/api/v1/me"), 500, "internal")
    assert "secret" not in str(body)


def test_an_absent_database_is_said_so_with_when_to_retry(team, api_as, monkeypatch):
    def away(*_args, **_options):
        raise OperationalError("connection refused")

    client = api_as("viewer")
    monkeypatch.setattr(selectors, "get_team", away)
    response = client.get("/api/v1/me")
    assert_problem(response, 503, "database.away")
    assert int(response["Retry-After"]) >= 1
    monkeypatch.setattr(selectors, "_read_token", away)
    selectors.forget_tokens()
    assert_problem(client.get("/api/v1/me"), 503, "database.away")


def test_lists_go_by_cursor(team, api_as, now):
    for number in range(5):
        Job.objects.create(
            team=team,
            kind="k",
            title=str(number),
            task="t",
            queue="io",
            created_by="x",
            created_at=now + timedelta(seconds=number),
        )
    client, titles, cursor = api_as("viewer"), [], ""
    while cursor is not None:
        shown = client.get(
            "/api/v1/jobs", {"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        titles += [job["title"] for job in shown["items"]]
        cursor = shown["next"]
    assert titles == ["4", "3", "2", "1", "0"]
    assert_problem(client.get("/api/v1/jobs", {"cursor": "x"}), 422, "page.cursor")
    assert_problem(client.get("/api/v1/jobs", {"limit": 1000}), 422, "invalid.fields")


def test_a_job_is_cancelled_by_its_starter_and_not_by_others(team, api_as, now):
    client = api_as("researcher")
    job = Job.objects.create(
        team=team,
        kind="k",
        title="t",
        task="t",
        queue="io",
        created_by=client.actor.name,
        created_at=now,
    )
    path = f"/api/v1/jobs/{job.pk}/cancel"
    assert_problem(post(api_as("viewer"), path), 403, "denied.permission")
    response = post(client, path)
    assert (response.status_code, response.json()["status"]) == (202, "cancelled")
    assert_problem(post(client, path), 409, "job.over")


# Writes that may be sent twice


def invitation(email="a@b.example"):
    return {"email": email, "role": "viewer"}


def test_same_key_and_body_is_done_once(team, api_as):
    client = api_as("admin")
    first = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    again = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Content-Type"] == first["Content-Type"]
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert Invitation.objects.count() == 1


def test_same_key_other_body_is_refused(team, api_as):
    client = api_as("admin")
    post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    other = invitation("c@d.example")
    response = post(client, "/api/v1/invitations", other, **{"idempotency-key": "k1"})
    assert_problem(response, 409, "idempotency.other_request")


def test_keys_of_two_people_and_two_teams_do_not_meet(team, other_team, api_as):
    for client in (api_as("admin"), api_as("admin"), api_as("admin", other_team)):
        response = post(client, "/api/v1/tokens", {"name": "n"}, **{"idempotency-key": "k1"})
        assert response.status_code == 201
        assert "Idempotency-Replayed" not in response


def test_a_failed_write_frees_its_key(team, api_as):
    client = api_as("admin")
    bad = {"email": "no address", "role": "viewer"}
    response = post(client, "/api/v1/invitations", bad, **{"idempotency-key": "k1"})
    assert response.status_code == 422
    response = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert response.status_code == 201


def test_a_defect_after_the_work_is_not_an_invitation_to_do_it_twice(team, api_as, monkeypatch):
    def broken(_plain):
        raise ZeroDivisionError("after the commit")

    client = api_as("admin")
    monkeypatch.setattr("apps.accounts.backends.invitation_link", broken)
    first = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert_problem(first, 500, "internal")
    monkeypatch.undo()
    again = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert (again.status_code, again["Idempotency-Replayed"]) == (500, "true")
    assert Invitation.objects.count() == 1


def test_a_secret_shown_once_is_not_kept_in_the_clear(team, api_as):
    client = api_as("admin")
    made = post(client, "/api/v1/tokens", {"name": "n"}, **{"idempotency-key": "k1"}).json()
    kept = bytes(IdempotencyKey.objects.get().body)
    assert made["token"].encode() not in kept
    again = post(client, "/api/v1/tokens", {"name": "n"}, **{"idempotency-key": "k1"}).json()
    assert again["token"] == made["token"]


def test_a_kept_answer_is_not_read_by_a_token_that_may_do_less(team, api_as):
    client = api_as("admin")
    body = {"name": "small", "scopes": ["team.read"]}
    small = post(client, "/api/v1/tokens", body, **{"idempotency-key": "k0"}).json()["token"]
    first = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert first.status_code == 201
    weaker = Client(headers={"authorization": f"Bearer {small}"})
    refused = post(weaker, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert_problem(refused, 403, "denied.permission")
    again = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert again.content == first.content


def test_uploads_under_one_key_are_told_apart_by_what_they_hold(rf):
    def digest(content, name="bars.csv", **fields):
        file = SimpleUploadedFile(name, content)
        request = rf.post("/api/v1/uploads", {"file": file, **fields})
        found = digest_of(request)
        assert request.FILES["file"].read() == content, "the door still reads it from its start"
        return found

    assert digest(b"1,2,3") == digest(b"1,2,3")
    different = [
        digest(b"1,2,3"),
        digest(b"1,2,4"),
        digest(b"1,2,3", name="else.csv"),
        digest(b"1,2,3", to="a"),
        digest(b"1,2,3", to="b"),
    ]
    assert len(set(different)) == len(different)


def test_a_cut_off_write_is_never_done_again_blindly(team, api_as, now):
    client = api_as("admin")
    post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    IdempotencyKey.objects.update(status=None)
    response = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert_problem(response, 409, "idempotency.in_progress")
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(minutes=10))
    response = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "k1"})
    assert_problem(response, 409, "idempotency.unknown_outcome")


def test_a_key_is_forgotten_after_a_day(team, api_as):
    client = api_as("admin")
    first = post(client, "/api/v1/tokens", {"name": "n"}, **{"idempotency-key": "k1"})
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(hours=25))
    second = post(client, "/api/v1/tokens", {"name": "n"}, **{"idempotency-key": "k1"})
    assert first.json()["id"] != second.json()["id"]


def test_an_unusable_key_is_refused(team, api_as):
    response = post(
        api_as("admin"), "/api/v1/tokens", {"name": "n"}, **{"idempotency-key": "k" * 201}
    )
    assert_problem(response, 422, "idempotency.key")


def test_duplicates_at_the_same_moment_are_done_once(live_db, team, api_as):
    template = api_as("admin")
    auth = template.defaults["HTTP_AUTHORIZATION"] if template.defaults else None
    headers = {"authorization": auth or template.headers["authorization"]}
    start, answers = threading.Barrier(6), []

    def send():
        from django.db import connections

        client = Client(headers=headers)
        start.wait()
        response = post(client, "/api/v1/invitations", invitation(), **{"idempotency-key": "race"})
        answers.append((response.status_code, response.content))
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Invitation.objects.count() == 1
    assert {status for status, _ in answers} <= {201, 409}
    assert len({body for status, body in answers if status == 201}) == 1


# Limits


def test_limits_are_told_and_kept(team, api_as, settings):
    settings.API_RATE_PER_MINUTE = 3
    client = api_as("viewer")
    answers = [client.get("/api/v1/me") for _ in range(5)]
    if len({answer["RateLimit-Reset"] for answer in answers}) > 2:
        pytest.skip("the minute turned in the middle")
    assert answers[0]["RateLimit-Limit"] == "3"
    assert int(answers[0]["RateLimit-Remaining"]) == 2
    assert 1 <= int(answers[0]["RateLimit-Reset"]) <= 60
    assert_problem(answers[-1], 429, "rate_limited")
    assert answers[-1]["Retry-After"] == answers[-1]["RateLimit-Reset"]
    assert api_as("viewer").get("/api/v1/me").status_code == 200


def test_an_absent_redis_refuses_nobody(team, api_as, monkeypatch):
    import redis

    def away():
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(rates, "client", away)
    monkeypatch.setattr(rates, "counter", rates.Counter())
    assert api_as("viewer").get("/api/v1/me").status_code == 200


# Browsers


def test_a_browser_reads_with_its_session_and_writes_with_a_csrf_token(team, client_as):
    signed_in = client_as("admin")
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in.cookies
    assert client.get("/api/v1/me").json()["role"] == "admin"
    assert_problem(post(client, "/api/v1/tokens", {"name": "n"}), 403, "csrf")
    client.cookies["csrftoken"] = "a" * 32
    response = post(client, "/api/v1/tokens", {"name": "n"}, **{"x-csrftoken": "a" * 32})
    assert response.status_code == 201


def test_the_document_names_problems_and_keys(db):
    document = Client().get("/api/v1/openapi.json").json()
    post_token = document["paths"]["/api/v1/tokens"]["post"]
    assert "default" in post_token["responses"]
    assert "Idempotency-Key" in [p["name"] for p in post_token["parameters"]]
    assert Client().get("/api/v1/docs").status_code == 200
