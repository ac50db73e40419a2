"""How bars are kept: what a server offers is found, used, and told."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from apps.audit import selectors as audit
from apps.core.lab.roles import _let_policies_run
from apps.market import store
from apps.market.kernel.periods import EARLIEST, LATEST
from apps.market.kernel.resample import LADDER, resample
from apps.market.models import Rollup, Series, StorageStep
from apps.market.selectors import storage as selectors
from apps.market.services import storage
from tests.conftest import NOW
from tests.integration.test_minute_store import MINUTE, make_place, write
from tests.integration.test_minute_store import minutes as walk

pytestmark = pytest.mark.store
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
NAMES = ("ts", "open", "high", "low", "close", "volume")


@pytest.fixture
def place(team, now):
    return make_place(team, now)


def set_up_as_owner(servers, **more):
    """Run the command in a process of its own, as a start of the lab does."""
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "LAB_HOME": str(servers.home),
        "DB_ROLE": "migrate",
        "DATABASE_URL": servers.dsn("app"),
        "MIGRATE_DATABASE_URL": servers.dsn("migrate"),
        "REDIS_URL": servers.redis_url,
        **more,
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "set_up_storage"],
        cwd=ROOT,
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def at(minutes):
    return NOW + timedelta(minutes=minutes)


# --- Detection ----------------------------------------------------------------------------------


def test_a_server_is_asked_only_for_what_it_offers(live_db):
    edition = store.find_edition()
    found = set_up_as_owner(live_db)
    again = set_up_as_owner(live_db, MINUTES_KEPT_DAYS="0")
    assert found["failed"] == again["failed"] == []
    assert again["edition"] == edition.title
    steps = set(StorageStep.objects.values_list("name", flat=True))
    if not edition.has_hypertables:
        assert steps == set()
    elif not edition.is_community:
        assert steps == {f"chunks of {table}" for table in store.features.CHUNKS}
        assert again["done"] == 0
    else:
        assert {f"aggregate {name}" for name in LADDER} <= steps


def test_what_is_not_offered_is_told_as_such(db):
    found = selectors.get_storage()
    if found.edition.is_community:
        pytest.skip("this server offers all of it")
    told = selectors.storage_as_dict(found)
    assert told["compression"] == "not offered by this server"
    assert set(told["aggregates"].values()) == {"not offered by this server"}
    assert list(told["aggregates"]) == list(LADDER)
    assert told["policies"] == told["errors"] == []
    status, words, advice = selectors.judge_storage(found)
    assert (status, advice) == ("ok", "")
    assert "compression not offered by this server" in words
    tables = {table["name"]: table["chunk_length"] for table in told["hypertables"]}
    if found.edition.has_hypertables:
        assert "Apache" in words
        assert set(tables) == set(store.features.CHUNKS)
    else:
        assert tables == {}
        assert words.startswith("plain tables")


def test_health_shows_it_on_the_page_and_by_rest(client_as, api_as):
    title = store.find_edition().title
    page = client_as("admin").get("/ops/")
    assert page.status_code == 200
    assert 'data-module="storage"' in page.content.decode()
    assert f"({title}) does for the bars" in page.content.decode()
    module = api_as("viewer").get("/api/v1/health/storage").json()
    assert module["edition"] == title
    assert module["retention"] == "off"


def test_a_role_that_may_log_in_from_nowhere_is_refused(live_db):
    """What the owner of the tables becomes where its policies must run as it."""
    with psycopg.connect(live_db.dsn("admin"), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS trial_owner")
        admin.execute("CREATE ROLE trial_owner LOGIN PASSWORD 'trial' CONNECTION LIMIT 0")
        admin.execute("GRANT CONNECT ON DATABASE quantsite TO trial_owner")
        address = make_conninfo(live_db.dsn("app"), user="trial_owner", password="trial")
        try:
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                psycopg.connect(address)
        finally:
            admin.execute("REVOKE CONNECT ON DATABASE quantsite FROM trial_owner")
            admin.execute("DROP ROLE trial_owner")


# --- Failures -----------------------------------------------------------------------------------


def test_a_step_that_fails_is_kept_and_stops_nothing(db):
    broken = store.features.Step("trial", "SELECT false", "SELECT no_such_function()")
    assert store.setting_up._take(broken, NOW) == "failed"
    assert "no_such_function" in StorageStep.objects.get(name="trial").error
    if store.find_edition().has_hypertables:
        status, words, advice = selectors.judge_storage(selectors.get_storage())
        assert status == "degraded"
        assert "1 steps" in words
        assert "set_up_storage" in advice
    mended = store.features.Step("trial", "SELECT false", "SELECT 1;\nSELECT 2")
    assert store.setting_up._take(mended, NOW) == "done"
    assert StorageStep.objects.get(name="trial").error == ""
    there = store.features.Step("trial", "SELECT true", "SELECT no_such_function()")
    assert store.setting_up._take(there, NOW) == "there"


# --- How far aggregates are ---------------------------------------------------------------------


def test_a_run_holds_what_the_aggregate_below_held_when_it_began(db):
    note = store.rollups.note_runs

    def held():
        found = {}
        for row in Rollup.objects.order_by("holds_before"):
            found[row.timeframe] = row.holds_before
        return found

    Rollup.objects.all().delete()
    assert note({"5m": (at(0), at(2))}) == 1
    assert held() == {"5m": at(0)}
    assert note({"5m": (at(0), at(2)), "15m": (at(1), at(3))}) == 0, "it began before 5m was done"
    runs = {"5m": (at(10), at(12)), "15m": (at(5), at(6)), "1h": (at(4), at(7))}
    assert note(runs) == 2
    assert held() == {"5m": at(10), "15m": at(0)}, "the run of 1h began before that of 15m ended"
    runs = {"5m": (at(10), at(12)), "15m": (at(13), at(14)), "1h": (at(15), at(16))}
    assert note(runs) == 2
    assert held() == {"5m": at(10), "15m": at(10), "1h": at(10)}
    assert note(runs) == 0, "the same runs again say nothing new"
    assert note({"15m": (at(20), at(21))}) == 0, "nothing is known of the aggregate below"


def test_servers_without_aggregates_note_nothing(db, place):
    if store.find_edition().is_community:
        pytest.skip("this server has aggregates")
    assert storage.keep_storage(now=NOW) == {"rollups": 0, "dropped": 0}
    assert Series.objects.get(pk=place[2].pk).seen_at is None


# --- Retention ----------------------------------------------------------------------------------


def test_old_minutes_go_and_the_trail_says_so(place, team, settings):
    if store.find_edition().is_community:
        pytest.skip("this server drops chunks by itself")
    dataset, _, series = place
    day = Series.objects.create(instrument=series.instrument, timeframe="1d")
    bars = walk(4 * 1440, start=1_735_689_600_000_000)
    write(place, (series.pk, bars), (day.pk, bars.take(slice(0, 10))))
    stamp = Series.objects.get(pk=series.pk).stamp
    now = datetime(2025, 1, 5, 9, 30, tzinfo=UTC)
    assert storage.drop_old_minutes(now=now) == 0, "off by default"
    settings.MINUTES_KEPT_DAYS = 2
    assert storage.drop_old_minutes(now=now) == 2 * 1440
    assert storage.drop_old_minutes(now=now) == 0
    row = Series.objects.get(pk=series.pk)
    assert (row.rows, row.first_at) == (2 * 1440, datetime(2025, 1, 3, tzinfo=UTC))
    assert row.stamp != stamp
    left = store.read_bars([series.pk, day.pk], EARLIEST, LATEST)
    assert (len(left[series.pk]), len(left[day.pk])) == (2 * 1440, 10)
    (event,) = audit.list_events(team_id=team.pk, action="bars.dropped")
    assert event.subject == f"dataset:{dataset.pk}"


def test_retention_takes_all_that_is_old_and_its_history(place, settings):
    if store.find_edition().is_community:
        pytest.skip("this server drops chunks by itself")
    series = place[2]
    bars = walk(1440)
    write(place, (series.pk, bars))
    store.withdraw_bars(
        team_id=place[0].team_id,
        dataset_id=place[0].pk,
        series_id=series.pk,
        ts=bars.ts[:5],
        batch_id=place[1].pk,
        now=NOW,
    )
    settings.MINUTES_KEPT_DAYS = 1
    assert storage.drop_old_minutes(now=NOW) == 1435
    row = Series.objects.get(pk=series.pk)
    assert (row.rows, row.first_at, row.last_at) == (0, None, None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM market_bar_history WHERE series_id = %s", [row.pk])
        assert cursor.fetchone()[0] == 0


def test_what_the_server_dropped_by_itself_is_found_out(place):
    series = place[2]
    bars = walk(3000, start=1_735_689_600_000_000)
    write(place, (series.pk, bars))
    before = datetime(2025, 1, 2, tzinfo=UTC)
    assert store.drop_minutes(place[0].pk, [series.pk], before, deletes=False) == []
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM market_bar_minute WHERE series_id = %s AND ts < %s", [series.pk, before]
        )
    (dropped,) = store.drop_minutes(place[0].pk, [series.pk], before, deletes=False)
    assert (dropped.rows, dropped.left_from) == (1440, before)
    assert Series.objects.get(pk=series.pk).rows == 1560


# --- The Community edition ----------------------------------------------------------------------


@pytest.fixture
def community(live_db):
    edition = store.find_edition()
    if not edition.is_community:
        pytest.skip(f"{edition.title}: compression and aggregates are not offered here")
    with psycopg.connect(live_db.dsn("admin"), autocommit=True) as admin:
        _let_policies_run(admin)
    assert set_up_as_owner(live_db)["failed"] == []
    return live_db


def test_aggregates_compression_and_policies_on_the_community_edition(community, team, now):
    place = make_place(team, now)
    series = place[2]
    bars = walk(3 * 1440, start=1_735_689_600_000_000 + 7 * MINUTE)
    with transaction.atomic():
        write(place, (series.pk, bars))
    views = [f"market_bar_{name}" for name in LADDER]
    with psycopg.connect(community.dsn("admin"), autocommit=True) as admin:
        for view in views:
            admin.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")
        jobs = admin.execute(
            "SELECT count(*) FROM timescaledb_information.jobs WHERE owner = 'owner'"
        ).fetchone()[0]
        assert jobs >= len(LADDER) + 2
        admin.execute("SELECT compress_chunk(c) FROM show_chunks('market_bar_minute') c")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE market_series SET seen_stamp = stamp, seen_at = now() - interval '1 hour'"
            " WHERE id = %s",
            [series.pk],
        )
    for name in LADDER:
        Rollup.objects.create(timeframe=name, holds_before=FUTURE, finished_at=NOW)
        edition = store.find_edition()
        fresh = store.longer._fresh(edition, [series.pk], name, EARLIEST, LATEST)
        assert fresh == {series.pk}
        found = store.read_longer_bars([series.pk], name, EARLIEST, LATEST)[series.pk]
        expected = resample(bars, name, source="1m", complete=True)
        for column in NAMES:
            assert (getattr(found, column) == getattr(expected, column)).all(), (name, column)
    # A correction of compressed minutes: the aggregate is not asked until it holds it.
    high = bars.high.copy()
    high[100] *= 2
    changed = store.bars.Columns(bars.ts, bars.open, high, bars.low, bars.close, bars.volume)
    with transaction.atomic():
        assert write(place, (series.pk, changed)).changed == 1
    found = store.read_longer_bars([series.pk], "1h", EARLIEST, LATEST)[series.pk]
    assert found.high.max() == high[100]
    told = selectors.storage_as_dict(selectors.get_storage())
    assert told["compression"] == "on"
    assert set(told["aggregates"].values()) == {"on"}


def test_retention_is_a_policy_of_the_community_edition(community):
    assert set_up_as_owner(community, MINUTES_KEPT_DAYS="400")["failed"] == []
    policies = {row["policy"]: row for row in selectors.get_storage().policies}
    assert policies["policy_retention"]["drop_after"] == "400 days"
    assert set_up_as_owner(community, MINUTES_KEPT_DAYS="0")["failed"] == []
    assert "policy_retention" not in {row["policy"] for row in selectors.get_storage().policies}
