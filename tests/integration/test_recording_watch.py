"""The watch over transactions finds what it is there for: see tests/servers/recording.py."""

from pathlib import Path

import allauth
import pytest
from django.db import connection, transaction

from apps.accounts import services as accounts
from apps.core.actors import system
from apps.market.store.copying import copy_in
from apps.ops import services as ops
from apps.ops.models import HealthSample
from tests.factories import people
from tests.servers.recording import EXCUSED, ROOT, watching


@pytest.mark.django_db
def test_a_change_without_an_event_is_found(now):
    with watching(()) as recorder:
        ops.sample_health(now=now)
    assert "ops_healthsample" in {table for unit in recorder.found for table in unit}
    assert recorder.found[0]["ops_healthsample"].startswith("apps/ops/services.py:sample_health")


@pytest.mark.django_db
def test_an_excused_place_is_not(now):
    with watching({"apps/ops/services.py:sample_health"}) as recorder:
        ops.sample_health(now=now)
    assert recorder.found == []


@pytest.mark.django_db
def test_a_change_with_its_event_is_well(now):
    admin = system("tests")
    with watching(()) as recorder:
        accounts.create_team(actor=admin, name="Another", now=now)
    assert (recorder.found, recorder.seen) == ([], 1)


@pytest.mark.django_db
def test_an_event_of_another_transaction_does_not_count(now):
    """The event must be in the transaction of the change, not merely somewhere near."""
    admin = system("tests")
    with watching(()) as recorder:
        accounts.create_team(actor=admin, name="Another", now=now)
        ops.sample_health(now=now)
    assert len(recorder.found) == 1


@pytest.mark.django_db
def test_what_tests_write_themselves_does_not_count(now):
    with watching(()) as recorder, transaction.atomic():
        HealthSample.objects.create(at=now, name="x", status="ok", summary="")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM ops_healthsample")
        people.make_team()
    assert recorder.found == []


def test_every_excuse_names_a_place_that_is_there():
    for place, reason in EXCUSED.items():
        file, _, name = place.partition(":")
        home = Path(allauth.__file__).parents[1] if file.startswith("allauth/") else Path(ROOT)
        source = (home / file).read_text()
        assert not name or f"def {name}(" in source, place
        assert len(reason) > 10


@pytest.mark.django_db
def test_copy_into_a_table_is_a_change_and_into_a_passing_one_is_none():
    fields = "(at, name, status, summary) FROM STDIN"
    with watching(()) as recorder:
        copy_in(f"COPY ops_healthsample {fields}", b"2026-01-05 12:00+00\tx\tok\t\n")
    assert [list(unit) for unit in recorder.found] == [["ops_healthsample"]]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE stage_sample (name text) ON COMMIT DROP")
    with watching(()) as recorder:
        copy_in("COPY stage_sample (name) FROM STDIN", b"x\n")
    assert recorder.found == []
