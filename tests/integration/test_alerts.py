"""Troubles become alerts: stored, counted, seen by their team, ended when they are over."""

from datetime import timedelta

import pytest

from apps.audit import selectors as audit
from apps.core import tenancy
from apps.core.errors import Conflict, Denied, NotFound
from apps.core.hooks import trouble_found, trouble_over
from apps.market.services import troubles
from apps.ops import selectors, services
from apps.ops.models import Alert

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def trouble(team, now, **changes):
    facts = {
        "team_id": team.pk if team else None,
        "kind": troubles.FLOW_FAILED,
        "subject": "flow:nightly",
        "severity": "critical",
        "title": "Flow nightly failed: the key was refused",
        "advice": "Renew the key.",
        "now": now,
        **changes,
    }
    troubles.found(**facts)
    return Alert.objects.get(team=team, key=f"{facts['kind']}:{facts['subject']}", ended_at=None)


def test_the_same_trouble_counts_and_asks_for_another_look(team, now, actor):
    first = trouble(team, now)
    seen = services.acknowledge_alert(actor=actor(), alert_id=first.pk, now=now)
    assert seen.acknowledged_by == seen.acknowledged_by != ""
    again = trouble(team, now + DAY, title="Flow nightly failed: no answer")
    assert (again.pk, again.count, again.raised_at, again.last_at) == (
        first.pk,
        2,
        now,
        now + DAY,
    )
    assert again.acknowledged_at is None
    assert "no answer" in again.title
    troubles.over(
        team_id=team.pk, kind=troubles.FLOW_FAILED, subject="flow:nightly", now=now + 2 * DAY
    )
    again.refresh_from_db()
    assert again.ended_at == now + 2 * DAY
    told = [event.action for event in audit.list_events(team_id=team.pk, subject=first.key)]
    assert sorted(told) == [
        "alert.acknowledged",
        "alert.ended",
        "alert.raised",
        "alert.raised",
    ]
    assert trouble(team, now + 3 * DAY).pk != first.pk


def test_what_is_over_without_having_been_does_nothing(team, now):
    troubles.over(team_id=team.pk, kind=troubles.FEED_BAD, subject="live-feed:x", now=now)
    assert not Alert.objects.exists()


def test_every_process_listens():
    assert trouble_found.has_listeners()
    assert trouble_over.has_listeners()


def test_alerts_of_a_team_are_its_own(team, other_team, now, actor, api_as):
    mine, theirs = trouble(team, now), trouble(other_team, now)
    whole = trouble(None, now, kind="disk", subject="disk")
    seen = {row.pk for row in selectors.list_alerts(team_id=team.pk)}
    assert seen == {mine.pk, whole.pk}
    rest = api_as("viewer").get("/api/v1/alerts").json()
    assert {row["id"] for row in rest} == seen
    flows = api_as("viewer").get("/api/v1/alerts", {"kind": troubles.FLOW_FAILED}).json()
    assert [(row["id"], row["subject"], row["count"]) for row in flows] == [
        (mine.pk, "flow:nightly", 1)
    ]
    with pytest.raises(NotFound):
        services.acknowledge_alert(actor=actor(), alert_id=theirs.pk, now=now)
    with tenancy.team(team.pk):
        assert set(Alert.objects.values_list("pk", flat=True)) == seen
        assert Alert.objects.filter(pk=theirs.pk).update(title="mine") == 0
    with tenancy.team(None):
        assert not Alert.objects.exists()


def test_who_may_say_that_an_alert_was_seen(team, now, actor, api_as):
    mine, whole = trouble(team, now), trouble(None, now, kind="disk", subject="disk")
    path = f"/api/v1/alerts/{mine.pk}/acknowledge"
    assert api_as("viewer").post(path).status_code == 403
    assert api_as("researcher").post(path).json()["acknowledged_at"]
    assert api_as("researcher").post(path).status_code == 409
    with pytest.raises(Denied):
        services.acknowledge_alert(actor=actor("researcher"), alert_id=whole.pk, now=now)
    services.acknowledge_alert(actor=actor("admin"), alert_id=whole.pk, now=now)
    with pytest.raises(Conflict):
        services.acknowledge_alert(actor=actor("admin"), alert_id=whole.pk, now=now)


def test_the_page_shows_them_and_offers_the_button(team, now, client_as):
    alert = trouble(team, now)
    trouble(team, now + DAY)
    page = client_as("researcher").get("/ops/").content.decode()
    assert f'data-alert="{alert.pk}"' in page
    assert f'data-acknowledge="{alert.pk}"' in page
    assert "Flow nightly failed" in page
    assert "data-acknowledge" not in client_as("viewer").get("/ops/").content.decode()


def test_a_websocket_hears_of_it(team, now, monkeypatch, django_capture_on_commit_callbacks):
    from apps.core import live

    sent = []
    monkeypatch.setattr(live, "publish", lambda *parts: sent.append(parts))
    with django_capture_on_commit_callbacks(execute=True):
        alert = trouble(team, now)
    (topic, kind, data), *_ = sent
    assert (topic, kind) == (live.topic_of(team.pk, "alerts"), "ops.alert.raised")
    assert (data["id"], data["severity"]) == (alert.pk, "critical")
