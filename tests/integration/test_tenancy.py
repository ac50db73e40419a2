"""Row-level security: what the application's role sees without, and with, a team."""

import psycopg
import pytest
from django.db import ProgrammingError, connection, connections, transaction

from apps.core import tenancy
from apps.market.models import Dataset, IngestRun, Instrument, Series
from apps.ops.models import Alert
from tests.factories.crowd import Crowd

BY_SERIES = "a time series: TimescaleDB refuses policies; the store asks for a guarded row first"
BY_PERSON = "of a person, who may belong to several teams or to none yet"
LAB = "of the lab, not of a team"
DJANGO = "Django's own bookkeeping, with no row of any team"
UNGUARDED = {
    "market_bar": BY_SERIES,
    "market_bar_history": BY_SERIES,
    "market_bar_minute": BY_SERIES,
    "market_metric": BY_SERIES,
    "market_metric_history": BY_SERIES,
    "market_storagestep": LAB,
    "market_rollup": LAB,
    "market_feedsession": LAB,
    "backtests_content": LAB,
    "backtests_equity": BY_SERIES,
    "trading_equity": BY_SERIES,
    "ops_healthsample": LAB,
    "accounts_user": BY_PERSON,
    "accounts_user_groups": BY_PERSON,
    "accounts_user_user_permissions": BY_PERSON,
    "account_emailaddress": BY_PERSON,
    "account_emailconfirmation": BY_PERSON,
    "mfa_authenticator": BY_PERSON,
    "usersessions_usersession": BY_PERSON,
    "django_session": BY_PERSON,
    "auth_group": DJANGO,
    "auth_group_permissions": DJANGO,
    "auth_permission": DJANGO,
    "django_content_type": DJANGO,
    "django_migrations": DJANGO,
}
# Copies TimescaleDB keeps by itself, and the tables of minutes it makes longer bars of.
MADE_BY_THE_STORE = ("market_bar_",)
# The ledger's policies are its own SQL; beside the events there are hashes and keys only.
OF_THE_TREE = "audit."
OPEN_DATASET = {"source": "s", "title": "t"}


def all_tables(cursor):
    """Every table of the site and the ledger, with whether policies guard it."""
    cursor.execute(
        "SELECT CASE n.nspname WHEN 'public' THEN relname ELSE n.nspname || '.' || relname END,"
        " relrowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND n.nspname IN ('public', 'audit') ORDER BY 1"
    )
    return dict(cursor.fetchall())


def guarded_tables(cursor):
    return [table for table, is_guarded in all_tables(cursor).items() if is_guarded]


def counts(raw, scope, tables):
    """How many rows of each table the application's role sees in a scope."""
    raw.execute("SELECT set_config(%s, %s, false)", [tenancy.SETTING, scope])
    return {t: raw.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}


def make_dataset(team, now, name="private"):
    dataset = Dataset.objects.create(team=team, name=name, created_at=now, **OPEN_DATASET)
    instrument = Instrument.objects.create(dataset=dataset, symbol="SECRET")
    Series.objects.create(instrument=instrument, timeframe="1d")
    IngestRun.objects.create(
        team=team, dataset=dataset, provider="sample", created_at=now, created_by="x"
    )
    return dataset


def fill(team, now):
    make_dataset(team, now)
    with transaction.atomic():
        Crowd(team, now).grow(2)
        Alert.objects.filter(team=None).update(team=team)  # the lab's own are shown to all


@pytest.mark.django_db
def test_every_table_is_guarded_or_listed_with_a_reason(servers):
    with connection.cursor() as cursor:
        tables = all_tables(cursor)
        cursor.execute(
            "SELECT tablename, cmd, qual, with_check FROM pg_policies WHERE schemaname = 'public'"
        )
        policies = cursor.fetchall()
    left_open = {table for table, is_guarded in tables.items() if not is_guarded}
    unlisted = left_open - set(UNGUARDED)
    assert {t for t in unlisted if not t.startswith((*MADE_BY_THE_STORE, OF_THE_TREE))} == set()
    assert {t for t in set(UNGUARDED) & set(tables) if tables[t]} == set(), "guarded by now"
    assert all(UNGUARDED.values())
    ruled = {table: set() for table, *_ in policies}
    for table, command, *rules in policies:
        ruled[table].add(command)
        assert all("quantsite_is_lab" in rule for rule in rules if rule), table
    every = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {t for t, found in ruled.items() if found not in ({"ALL"}, every)} == set()


@pytest.mark.django_db
def test_every_table_with_a_team_is_guarded_whatever_the_list_says(servers):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
            " AND a.attname = 'team_id' AND NOT c.relrowsecurity"
        )
        assert cursor.fetchall() == []


def test_what_a_team_does_shows_to_nobody_else(live_db, sample, team, other_team, now):
    with psycopg.connect(live_db.dsn("app"), autocommit=True) as raw:
        tables = guarded_tables(raw.cursor())
        untold = {t: raw.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}
        scopes = (tenancy.LAB, str(team.pk), str(other_team.pk), tenancy.NOBODY)
        before = {scope: counts(raw, scope, tables) for scope in scopes}
        fill(team, now)
        after = {scope: counts(raw, scope, tables) for scope in scopes}
    nothing = dict.fromkeys(tables, 0)
    assert untold == before[tenancy.NOBODY] == after[tenancy.NOBODY] == nothing
    lab, own, foreign, _ = (
        {t: after[scope][t] - before[scope][t] for t in tables} for scope in scopes
    )
    assert foreign == nothing
    assert own == lab
    assert sum(more > 0 for more in own.values()) > 28
    assert before[str(team.pk)]["market_instrument"] > 100, "shared rows"


@pytest.mark.django_db
def test_a_team_sees_its_own_rows_and_the_shared_ones(sample, team, other_team, now):
    mine, theirs = make_dataset(team, now), make_dataset(other_team, now)
    with tenancy.team(team.pk):
        found = set(Dataset.objects.values_list("pk", flat=True))
        assert mine.pk in found
        assert theirs.pk not in found
        assert Dataset.objects.filter(team=None).exists()
        assert set(
            Instrument.objects.filter(symbol="SECRET").values_list("dataset", flat=True)
        ) == {mine.pk}
        assert not Series.objects.filter(instrument__dataset=theirs.pk).exists()
        assert IngestRun.objects.count() == 1
    with tenancy.team(None):
        assert not Dataset.objects.exists()
    assert Dataset.objects.filter(pk=theirs.pk).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("whose", ["shared", "other"])
def test_a_team_changes_nothing_that_is_not_its_own(sample, team, other_team, now, whose):
    target = (
        make_dataset(other_team, now)
        if whose == "other"
        else Dataset.objects.filter(team=None).first()
    )
    instrument = target.instruments.first()
    with tenancy.team(team.pk):
        assert Dataset.objects.filter(pk=target.pk).update(title="mine now") == 0
        assert Instrument.objects.filter(pk=instrument.pk).delete()[0] == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Dataset.objects.create(
                team_id=target.team_id, name="more", created_at=now, **OPEN_DATASET
            )
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Instrument.objects.create(dataset_id=target.pk, symbol="NEW")
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Series.objects.create(instrument_id=instrument.pk, timeframe="1w")
    target.refresh_from_db()
    assert target.title != "mine now"


def undone(look):
    """Return what is seen inside a transaction that is rolled back."""
    with transaction.atomic():
        seen = look()
        transaction.set_rollback(True)
    return seen


@pytest.mark.django_db
def test_the_scope_outlives_a_roll_back(team, other_team, now):
    foreign = Dataset.objects.filter(pk=make_dataset(other_team, now).pk)
    with tenancy.team(team.pk):
        for _ in range(2):
            assert not undone(foreign.exists)
            assert not foreign.exists()
    assert undone(foreign.exists)
    assert foreign.exists()
    with tenancy.team(team.pk):
        assert not foreign.exists()


@pytest.mark.parametrize("door", ["/data/", "/api/v1/datasets"])
def test_doors_work_in_the_scope_of_their_team(
    live_db, team, other_team, api_as, client_as, now, monkeypatch, door
):
    from apps.market import selectors

    make_dataset(team, now, "ours")
    make_dataset(other_team, now, "theirs")
    seen = []

    def forgetful(team_id, **_others):
        seen.extend(Dataset.objects.values_list("name", flat=True))
        return []

    monkeypatch.setattr(selectors, "list_datasets", forgetful)
    monkeypatch.setattr(selectors, "data_room", forgetful)
    client = api_as("viewer") if "api" in door else client_as("viewer")
    client.raise_request_exception = False
    client.get(door)
    assert "ours" in seen
    assert "theirs" not in seen
    assert tenancy.current() == tenancy.LAB


@pytest.fixture
def pooled(live_db):
    """A wrapper whose pool holds one connection, which it hands on and on."""
    wrapper = connections.create_connection("default")
    options = {**wrapper.settings_dict["OPTIONS"], "pool": {"min_size": 1, "max_size": 1}}
    wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": 0}
    wrapper.alias = "pooled"
    yield wrapper
    wrapper.close()
    wrapper.close_pool()


def shown(wrapper):
    """What the scope is on the server, and which datasets of teams it shows."""
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT current_setting('quantsite.scope', true)")
        setting = cursor.fetchone()[0] or ""
        cursor.execute("SELECT team_id FROM market_dataset WHERE team_id IS NOT NULL")
        return setting, {row[0] for row in cursor.fetchall()}


def test_a_pooled_connection_never_shows_the_rows_of_whoever_had_it_before(
    pooled, team, other_team, now
):
    make_dataset(team, now)
    make_dataset(other_team, now)
    for whose in (team, other_team, other_team, team):
        with tenancy.team(whose.pk):
            assert shown(pooled) == (str(whose.pk), {whose.pk})
        pooled.close()
    with tenancy.team(None):
        assert shown(pooled) == ("", set())
    pooled.close()


def test_what_was_told_in_a_transaction_that_a_pool_ends_is_told_again(pooled, team, now):
    make_dataset(team, now)
    with tenancy.team(None):
        shown(pooled)
    pooled.close()
    with tenancy.team(team.pk):
        pooled.ensure_connection()
        pooled.connection.execute("BEGIN")
        assert shown(pooled)[1] == {team.pk}
        pooled.close()  # the pool rolls back, and with it what was told
        assert shown(pooled) == (str(team.pk), {team.pk})
    pooled.close()


def test_a_pooled_connection_is_told_the_same_scope_once(pooled, team):
    told = []
    for _ in range(3):
        with tenancy.team(team.pk):
            pooled.ensure_connection()
            before = getattr(pooled.connection, "told_scope", None)
            shown(pooled)
            told.append(before == str(team.pk))
        pooled.close()
    assert told == [False, True, True]
