"""Messages about signals, from a scan to a local Telegram, and what goes wrong on the way."""

from datetime import timedelta

import pytest

from apps.audit.selectors import list_events
from apps.core import jobs, secrets, tenancy
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job
from apps.ops.models import Alert
from apps.strategies.models import (
    AlertMark,
    AlertMessage,
    AlertRule,
    AlertTarget,
    Scan,
    ScanSchedule,
    Signal,
)
from apps.strategies.selectors import alerts as reads
from apps.strategies.services import alert_targets, alerts, schedules
from tests.servers import telegram_server as telegram

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def server(settings):
    with telegram.running() as started:
        settings.TELEGRAM_API_URL = started.root
        settings.NOTICES_TO_PRIVATE_HOSTS = True
        yield started


@pytest.fixture
def target(server, actor, now):
    def make(name="phone", address=server.chat):
        return alert_targets.save_alert_target(
            actor=actor("admin"), name=name, address=address, now=now
        )

    return make


@pytest.fixture
def rule(target, actor, now):
    def make(name="strong", target_name="phone", **wanted):
        return alert_targets.save_alert_rule(
            actor=actor("researcher"), name=name, target=target_name, now=now, **wanted
        )

    target()
    return make


@pytest.fixture
def scanned(team, now):
    """A scan that is over, hour after hour, with the sides and scores asked for."""
    hours = iter(range(1000))

    def make(*rows, universe="crypto-perps"):
        at = now + timedelta(hours=next(hours))
        scan = Scan.objects.create(
            team=team,
            universe=universe,
            timeframe="1h",
            symbols=[],
            strategies=[],
            batches=1,
            created_by="x",
            created_at=at,
        )
        Signal.objects.bulk_create(
            Signal(
                team=team,
                scan=scan,
                strategy=strategy,
                symbol=symbol,
                side=side,
                bar_at=at,
                signal_at=now,
                price=100.0,
                score=score,
                components={"geometry": score or 0.0},
                refusal="" if side is not None else "inputs.missing",
            )
            if side is not None
            else Signal(team=team, scan=scan, strategy=strategy, symbol=symbol, refusal="no")
            for strategy, symbol, side, score in rows
        )
        alerts.finish_scans(now=at)
        return scan

    return make


def send_all(team, now):
    """Do what the worker would with what waits to be sent; return how each job ended."""
    waiting = Job.objects.filter(team=team, kind="signal_alert", status="queued")
    return [
        jobs.execute(str(job.pk), alerts.send_alert, worker="test", now=lambda: now)
        for job in waiting.order_by("created_at")
    ]


def test_each_change_is_told_once(rule, scanned, team, now, server):
    rule(min_score=70)
    scanned(("swing", "BTC", 1, 80.0), ("swing", "ETH", 1, 60.0), ("pairs", "BTC", 0, None))
    assert send_all(team, now) == ["done"]
    assert len(server.messages) == 1
    assert "BTC long: swing" in server.messages[0]["text"]
    assert "score 80 (geometry 80)" in server.messages[0]["text"]
    assert "ETH" not in server.messages[0]["text"]
    scanned(("swing", "BTC", 1, 75.0), ("swing", "ETH", 1, 60.0))
    assert send_all(team, now) == []
    scanned(("swing", "BTC", -1, 90.0), ("swing", "ETH", 1, 71.0))
    assert send_all(team, now) == ["done"]
    assert "2 signals in crypto-perps" in server.messages[1]["text"]
    sent = list(reads.list_alert_messages(team_id=team.pk))
    assert {(one.status, one.attempts) for one in sent} == {("sent", 1)}
    assert AlertTarget.objects.get().status == "works"
    assert AlertMark.objects.count() == 2


def test_rules_ask_by_strategy_universe_and_consensus(sample, rule, scanned, team, now, server):
    rule("a", strategies=["swing"])
    rule("b", universe="crypto-perps", min_agree=2)
    rule("c", is_on=False)
    scanned(("swing", "BTC", 1, None), ("pairs", "BTC", 1, None), ("pairs", "ETH", -1, None))
    scanned(("pairs", "XRP", 1, None), ("swing", "XRP", 1, None), universe="other")
    assert send_all(team, now) == ["done"] * 3
    told = {(one.rule_name, one.scan.universe): one.body for one in AlertMessage.objects.all()}
    assert set(told) == {("a", "crypto-perps"), ("b", "crypto-perps"), ("a", "other")}
    assert told["a", "crypto-perps"].count("\n") == 0
    assert "ETH" not in told["b", "crypto-perps"]
    assert told["b", "crypto-perps"].count("BTC") == 2


def test_a_scan_is_told_once_however_often_it_is_looked_at(rule, scanned, team, now):
    rule()
    scan = scanned(("swing", "BTC", 1, None))
    assert alerts.finish_scans(now=now) == 0
    Scan.objects.filter(pk=scan.pk).update(finished_at=None)
    assert alerts.finish_scans(now=now) == 1
    assert AlertMessage.objects.count() == 1
    actions = [one.action for one in list_events(team_id=team.pk, subject=f"scan:{scan.pk}")]
    assert actions.count("scan.finished") == 2


def test_a_scan_with_open_jobs_is_not_over(rule, team, now):
    scan = Scan.objects.create(
        team=team, universe="u", timeframe="1h", created_by="x", created_at=now
    )
    job = Job.objects.create(
        team=team,
        kind="scan_batch",
        title="t",
        task="t",
        queue="compute",
        created_by="x",
        created_at=now,
        subject=f"scan:{scan.pk}",
        status="running",
    )
    assert alerts.finish_scans(now=now) == 0
    Job.objects.filter(pk=job.pk).update(status="lost")
    assert alerts.finish_scans(now=now) == 1


def test_telegram_is_left_alone_as_long_as_it_asks(rule, scanned, team, now, server):
    rule()
    scanned(("swing", "BTC", 1, None))
    server.faults = [telegram.too_many(40)]
    assert send_all(team, now) == ["queued"]
    job = Job.objects.get(kind="signal_alert")
    assert job.not_before == now + timedelta(seconds=40)
    assert send_all(team, now + timedelta(seconds=39)) == ["skipped"]
    assert AlertMessage.objects.get().reason.startswith("Telegram could not be reached")
    assert send_all(team, now + timedelta(seconds=41)) == ["done"]
    assert len(server.messages) == 1
    assert AlertMessage.objects.get().status == "sent"


def test_a_refused_token_is_told_to_people_until_it_works_again(
    rule, target, scanned, team, now, server, actor
):
    rule()
    scanned(("swing", "BTC", 1, None))
    server.faults = [telegram.UNAUTHORIZED]
    assert send_all(team, now) == ["failed"]
    message, row = AlertMessage.objects.get(), AlertTarget.objects.get()
    assert (message.status, message.attempts, row.status) == ("failed", 1, "refused")
    alert = Alert.objects.get(team=team, kind="alerts.undelivered", ended_at=None)
    assert "phone" in alert.title
    for text in (message.reason, row.note, alert.advice, str(Job.objects.get().error)):
        assert telegram.TOKEN.split(":")[1] not in text
    tested = alert_targets.try_alert_target(actor=actor("admin"), name="phone", now=now)
    assert tested.status == "works"
    assert not Alert.objects.filter(team=team, ended_at=None).exists()


def test_a_server_that_stays_away_is_given_up_and_told(rule, scanned, team, now, server):
    rule()
    scanned(("swing", "BTC", 1, None))
    server.faults = [telegram.BROKEN, telegram.CUT, *[telegram.BROKEN] * 3]
    ends = [send_all(team, now + timedelta(hours=hour)) for hour in range(alerts.ATTEMPTS)]
    assert ends == [["queued"]] * 4 + [["failed"]]
    message = AlertMessage.objects.get()
    assert (message.status, message.attempts) == ("failed", alerts.ATTEMPTS)
    assert Alert.objects.filter(team=team, kind="alerts.undelivered", ended_at=None).count() == 1
    assert server.messages == []


def test_a_webhook_gets_json(rule, target, scanned, team, now, server):
    target("hook", server.hook)
    rule(target_name="hook")
    scanned(("swing", "BTC", -1, 55.0))
    assert send_all(team, now) == ["done"]
    (told,) = server.hooks
    assert told["title"] == "BTC short: swing"
    assert "score 55" in told["message"]


def test_a_deleted_target_fails_what_waits(rule, scanned, team, now, actor):
    made = rule()
    scanned(("swing", "BTC", 1, None))
    with pytest.raises(Conflict) as raised:
        alert_targets.delete_alert_target(actor=actor("admin"), name="phone", now=now)
    assert raised.value.code == "alert.target_used"
    alert_targets.delete_alert_rule(actor=actor("researcher"), name=made.name, now=now)
    alert_targets.delete_alert_target(actor=actor("admin"), name="phone", now=now)
    assert send_all(team, now) == ["done"]
    assert AlertMessage.objects.get().reason == "The target was deleted."


def test_an_address_is_sealed_and_leaves_by_no_door(target, team, api_as, client_as, server):
    row = target()
    secret = telegram.TOKEN.split(":")[1]
    assert secret not in row.sealed
    assert secrets.unseal(row.sealed) == server.chat
    rest = api_as("admin")
    rest.post("/api/v1/signal-alerts/targets/phone/test", content_type=JSON)
    doors = [
        rest.get("/api/v1/signal-alerts/targets").content,
        rest.get(f"/api/v1/audit?subject=alert_target:{row.pk}").content,
        client_as("admin").get("/strategies/scanner/alerts/").content,
    ]
    for seen in doors:
        assert b"phone" in seen or b"alert_target" in seen
        assert secret.encode() not in seen
        assert row.sealed.encode() not in seen
    trail = list_events(team_id=team.pk, subject=f"alert_target:{row.pk}")
    assert [one.action for one in trail][-1] == "alert_target.created"
    assert secret not in str([one.body for one in trail])


def test_targets_are_for_those_who_hold_keys_rules_for_researchers(target, actor, now, server):
    target()
    with pytest.raises(Denied):
        alert_targets.save_alert_target(
            actor=actor("researcher"), name="x", address=server.chat, now=now
        )
    for role in ("viewer", "admin"):
        with pytest.raises(Denied):
            alert_targets.save_alert_rule(actor=actor(role), name="x", target="phone", now=now)


@pytest.mark.parametrize(
    ("wanted", "error", "code"),
    [
        ({"min_score": 101}, Invalid, "alert.out_of_range"),
        ({"min_agree": 0}, Invalid, "alert.out_of_range"),
        ({"strategies": ["martingale"]}, NotFound, "plug.unknown"),
        ({"universe": "moon"}, NotFound, "universe.unknown"),
        ({"target_name": "nobody"}, NotFound, "alert_target.not_found"),
        ({"name": "No Name"}, Invalid, "alert.name"),
    ],
)
def test_rules_that_can_not_be_are_refused(rule, wanted, error, code):
    with pytest.raises(error) as raised:
        rule(**wanted)
    assert raised.value.code == code
    assert not AlertRule.objects.exists()


def test_rest_makes_tests_lists_and_deletes(server, api_as, sample, team):
    admin, rest = api_as("admin"), api_as("researcher")
    path = "/api/v1/signal-alerts"
    made = admin.put(f"{path}/targets/phone", {"address": server.chat}, content_type=JSON)
    assert made.status_code == 200, made.content
    assert (made.json()["service"], made.json()["status"]) == ("Telegram", "untested")
    bad = admin.put(f"{path}/targets/phone", {"address": "file:///x"}, content_type=JSON)
    assert (bad.status_code, bad.json()["code"]) == (422, "notice.address")
    assert admin.post(f"{path}/targets/phone/test").json()["status"] == "works"
    assert "Test from the lab" in server.messages[0]["text"]
    body = {"target": "phone", "universe": "crypto-perps", "min_score": 70, "min_agree": 2}
    rule = rest.put(f"{path}/rules/strong", body, content_type=JSON)
    assert rule.status_code == 200, rule.content
    assert rest.get(f"{path}/rules").json() == [rule.json()]
    assert rest.get(f"{path}/messages").json() == {"items": [], "next": None}
    assert rest.delete(f"{path}/targets/phone").status_code == 403
    assert admin.delete(f"{path}/targets/phone").status_code == 409
    assert rest.delete(f"{path}/rules/strong").status_code == 204
    assert admin.delete(f"{path}/targets/phone").status_code == 204
    made = rest.post(
        "/api/v1/scan-schedules",
        {"universe": "crypto-perps", "every": "hour", "at_utc": "00:07"},
        content_type=JSON,
    )
    assert made.status_code == 201, made.content
    number = made.json()["id"]
    off = rest.patch(f"/api/v1/scan-schedules/{number}", {"is_on": False}, content_type=JSON)
    assert (off.json()["is_on"], off.json()["next_at"]) == (False, None)
    assert rest.get("/api/v1/scan-schedules").json() == [off.json()]
    assert rest.delete(f"/api/v1/scan-schedules/{number}").status_code == 204


def test_a_scan_starts_by_itself_once_at_its_time(sample, actor, team, now):
    row = schedules.create_schedule(
        actor=actor("researcher"), universe="crypto-perps", every="day", at_utc="02:30", now=now
    )
    assert (f"{row.next_at:%H:%M}", row.next_at > now) == ("02:30", True)
    assert schedules.run_schedules(now=row.next_at - timedelta(seconds=1)) == 0
    due = row.next_at
    assert schedules.run_schedules(now=due) == 1
    assert schedules.run_schedules(now=due) == 0
    row.refresh_from_db()
    assert row.next_at == due + timedelta(days=1)
    scan = Scan.objects.get(team=team)
    assert (row.last_scan_id, scan.created_by) == (scan.pk, "system:scanner")
    # The one before is still refreshing: it is not started beside it; after days away, once.
    assert schedules.run_schedules(now=due + timedelta(days=1)) == 0
    Scan.objects.filter(pk=scan.pk).update(finished_at=due)
    assert schedules.run_schedules(now=due + timedelta(days=9, hours=1)) == 1
    assert Scan.objects.filter(team=team).count() == 2


def test_a_scan_that_can_not_start_is_told(sample, actor, team, now):
    row = schedules.create_schedule(
        actor=actor("researcher"), universe="crypto-perps", every="hour", at_utc="00:15", now=now
    )
    ScanSchedule.objects.filter(pk=row.pk).update(universe="gone")
    assert schedules.run_schedules(now=row.next_at) == 0
    row.refresh_from_db()
    assert "gone" in row.error
    assert Alert.objects.filter(team=team, kind="scan.not_started", ended_at=None).exists()
    schedules.delete_schedule(actor=actor("researcher"), schedule_id=row.pk, now=now)
    assert not Alert.objects.filter(team=team, ended_at=None).exists()


@pytest.mark.parametrize(
    ("every", "at", "code"),
    [("week", "02:00", "schedule.every"), ("day", "25:00", "schedule.time")],
)
def test_a_schedule_that_can_not_be_is_refused(sample, actor, now, every, at, code):
    with pytest.raises(Invalid) as raised:
        schedules.create_schedule(
            actor=actor("researcher"), universe="crypto-perps", every=every, at_utc=at, now=now
        )
    assert raised.value.code == code


def test_another_team_sees_and_touches_nothing(
    rule, scanned, team, other_team, actor, now, settings
):
    rule()
    scanned(("swing", "BTC", 1, None))
    tables = (AlertTarget, AlertRule, AlertMark, AlertMessage)
    with tenancy.team(team.pk):
        assert [table.objects.count() for table in tables] == [1, 1, 1, 1]
    with tenancy.team(other_team.pk):
        assert [table.objects.count() for table in tables] == [0, 0, 0, 0]
    for read in (reads.get_alert_target, reads.get_alert_rule):
        with pytest.raises(NotFound):
            read(team_id=other_team.pk, name="phone" if "target" in read.__name__ else "strong")


def test_history_tells_what_was_wanted_scan_after_scan(scanned, api_as, client_as, team):
    for side, score in ((0, 10.0), (1, 72.0), (1, 75.0), (None, None), (-1, 64.0)):
        scanned(("swing", "BTC", side, score), ("pairs", "BTC", 0, None))
    rest = api_as("viewer")
    path = "/api/v1/signals/history?symbol=BTC&strategy=swing"
    found = rest.get(f"{path}&limit=3").json()
    assert [(one["side"], one["score"]) for one in found["items"]] == [
        (-1, 64.0),
        (0, None),
        (1, 75.0),
    ]
    more = rest.get(f"{path}&limit=3&cursor={found['next']}").json()
    assert [one["side"] for one in more["items"]] == [1, 0]
    assert found["items"][0]["scanned_at"] > found["items"][2]["scanned_at"]
    assert len(rest.get("/api/v1/signals/history?symbol=BTC").json()["items"]) == 10
    assert rest.get("/api/v1/signals/history?symbol=ETH").json()["items"] == []
    assert rest.get("/api/v1/signals/history").status_code == 422
    page = client_as("viewer").get("/strategies/scanner/history/?symbol=BTC&strategy=swing")
    text = page.content.decode()
    assert page.status_code == 200
    assert text.count("data-change") == 2
