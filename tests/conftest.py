"""Real servers for tests: PostgreSQL and Redis are started when the first test asks for them.

``--timescale`` runs the store tests on TimescaleDB in place of the embedded PostgreSQL. Tests
connect as the ``app`` role, like the site and the workers.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import shares, suites
from tests.factories import people
from tests.servers import databases, recording

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def pytest_addoption(parser):
    parser.addoption("--timescale", action="store_true", help="run on TimescaleDB")


def pytest_configure(config):
    # Kernels compiled by one test run serve the next.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "quantsite-numba"))
    # Modules and tests are many small objects that stay: looking through them takes time.
    gc.set_threshold(200_000, 50, 50)
    suites.configure(config)


def pytest_ignore_collect(collection_path, config):
    return suites.is_of_no_use(collection_path, config)


def pytest_collection_modifyitems(config, items):
    suites.choose(config, items)
    items.sort(key=lambda item: shares.rank(item.nodeid))


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)  # as the site has it


def pytest_xdist_make_scheduler(config, log):
    return shares.Shares(config, log) if config.option.dist == "loadfile" else None


def pytest_sessionfinish(session, exitstatus):
    suites.excuse(session, exitstatus)


def pytest_terminal_summary(terminalreporter):
    suites.report(terminalreporter)


@pytest.fixture(scope="session")
def servers(request):
    """A PostgreSQL and a Redis of our own, prepared and migrated."""
    home = Path(tempfile.mkdtemp(prefix="qs-"))
    kind = databases.Timescale if request.config.getoption("--timescale") else databases.Embedded
    running = kind(home)
    try:
        running.start()
        running.migrate()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(servers, django_db_blocker):
    """Point Django at the servers; the schema is there already."""
    servers.use()
    yield
    with django_db_blocker.unblock():
        databases.close_connections()


@pytest.fixture
def live_db(django_db_setup, django_db_blocker, servers):
    """A database where commits are real; what the test left is removed afterwards."""
    with django_db_blocker.unblock():
        yield servers
        databases.close_connections()
    servers.clean()


@pytest.fixture(scope="session")
def sample(django_db_setup, django_db_blocker):
    """The bundled market data, loaded once and committed."""
    from apps.core.actors import system
    from apps.market import services

    with django_db_blocker.unblock():
        services.load_sample(actor=system("tests"), now=NOW)


@pytest.fixture(autouse=True)
def _every_change_is_recorded(request):
    """In the modules that are watched: no transaction changes a row and appends no event."""
    if request.module.__name__ not in recording.WATCHED:
        yield
        return
    with recording.watching() as recorder:
        yield
    assert recorder.found == [], "changed without an event in the same transaction"


@pytest.fixture
def now():
    """A fixed time for services that want one."""
    return NOW


@pytest.fixture
def team(request):
    """A team, in the database the test uses."""
    return people.make_team(_database(request))


@pytest.fixture
def other_team(request):
    """A second team, for attempts to cross."""
    return people.make_team(_database(request))


@pytest.fixture
def actor(team):
    """Make an actor of the team by role: ``actor("validator")``."""
    return lambda role="researcher", of=None: people.make_actor(of or team, role)


@pytest.fixture
def client_as(team):
    """Make a signed-in browser client by role."""
    return lambda role="researcher", of=None: people.make_client(of or team, role)


@pytest.fixture
def api_as(team):
    """Make a REST client with a bearer token by role."""
    return lambda role="researcher", of=None: people.make_api_client(of or team, role)


def _database(request):
    if "live_db" not in request.fixturenames:
        request.getfixturevalue("db")
