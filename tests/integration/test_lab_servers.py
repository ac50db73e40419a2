"""The embedded servers: private, guarded by passwords, taken over after a kill; dumps."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from apps.core.errors import Conflict, Invalid, Unavailable
from apps.core.lab import postgres, processes, upgrade
from apps.core.lab.home import Home
from apps.core.lab.postgres import PostgresServer
from apps.core.lab.servers import embedded_servers

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def running(home):
    with embedded_servers(home, fsync=False) as servers:
        yield servers


def modes_above(path):
    return [(parent, parent.stat().st_mode, parent.stat().st_uid) for parent in path.parents]


def test_the_server_is_reached_with_the_password_only(running):
    dsn = running.postgres.dsn("app")
    with psycopg.connect(dsn) as connection:
        method = connection.execute("SHOW password_encryption").fetchone()
        assert method == ("scram-sha-256",)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    wrong = dsn.replace(running.postgres.home.passwords()["app"], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_files_are_private_and_nothing_outside_changes(tmp_path):
    above = modes_above(tmp_path / "lab")
    with embedded_servers(tmp_path / "lab", fsync=False) as servers:
        home = servers.postgres.home
        open_ones = [
            path
            for path in [home.root, *home.root.rglob("*")]
            if path.is_dir() and stat.S_IMODE(path.stat().st_mode) & 0o077
        ]
        assert open_ones == []
        assert {path.stat().st_uid for path in home.data.iterdir()} == {os.geteuid()}
    assert modes_above(tmp_path / "lab") == above


def test_roles_have_the_rights_they_need_and_no_more(running):
    with psycopg.connect(running.postgres.dsn("migrate"), options="-c role=owner") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS trial (id bigserial, word text)")
        connection.commit()
        owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'trial'"
        assert connection.execute(owner).fetchone() == ("owner",)
    with psycopg.connect(running.postgres.dsn("app"), autocommit=True) as connection:
        connection.execute("INSERT INTO trial (word) VALUES ('a')")
        for forbidden in (
            "CREATE TABLE mine (id int)",
            "DROP TABLE trial",
            "ALTER TABLE trial ADD COLUMN x int",
            "TRUNCATE trial",
            "SET ROLE owner",
            "CREATE ROLE other",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_a_second_command_uses_the_running_servers_and_leaves_them(running, home):
    with embedded_servers(home) as second:
        assert not second.ours
    assert running.postgres.ready()
    assert running.redis.ready()


def test_a_server_left_by_a_kill_is_stopped_and_started_again(tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from apps.core.lab.postgres import PostgresServer\n"
        "server = PostgresServer(Path(sys.argv[1]), fsync=False)\n"
        "server.prepare(); server.start(); server.wait_ready()\n"
        "print(server.process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    left = processes.ProcessId.of(int(first.stdout.readline()))
    assert left is not None
    os.kill(left.pid, signal.SIGSTOP)  # so that it can't follow its parent's death
    first.kill()
    first.wait()
    os.kill(left.pid, signal.SIGCONT)
    server = PostgresServer(tmp_path, fsync=False)
    server.prepare()
    server.start()
    try:
        server.wait_ready()
        assert not left.lives
    finally:
        server.stop()


def test_a_foreign_process_in_the_pid_file_is_left_alone(tmp_path):
    server = PostgresServer(tmp_path, fsync=False)
    server.prepare()
    other = subprocess.Popen(["sleep", "60"])
    try:
        (server.home.data / "postmaster.pid").write_text(f"{other.pid}\n{server.home.data}\n")
        assert server.found() is None
        assert not server.stop_leftover()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_initdb_that_was_killed_leaves_nothing_in_the_way(tmp_path):
    server = PostgresServer(tmp_path, fsync=False)
    server.home.prepare()
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "rubbish").write_text("x")
    server.prepare()
    assert (server.home.data / "PG_VERSION").is_file()
    assert not half.exists()


def test_a_long_home_works_too(tmp_path):
    home = tmp_path / ("long" * 25)
    with embedded_servers(home, fsync=False) as servers:
        sockets = servers.postgres.home.sockets()
        assert not sockets.is_relative_to(home)
        assert psycopg.connect(servers.postgres.dsn("app")).execute("SELECT 1").fetchone() == (1,)
    with embedded_servers(home, fsync=False) as servers:
        assert servers.postgres.home.sockets() == sockets
    for path in sorted(sockets.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    sockets.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a way out of root")
def test_without_user_namespaces_a_home_out_of_reach_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "way_out_of_root", lambda: "uid:65534")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match=f"can't reach {closed}") as caught:
        PostgresServer(closed / "lab", fsync=False).prepare()
    assert caught.value.code == "lab.home_unreachable"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a way out of root")
def test_without_user_namespaces_another_user_runs_it(monkeypatch):
    monkeypatch.setattr(postgres, "way_out_of_root", lambda: "uid:65534")
    home = Path(tempfile.mkdtemp(prefix="qs-"))
    try:
        with embedded_servers(home, fsync=False) as servers:
            dsn = servers.postgres.dsn("app")
            with psycopg.connect(dsn) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert servers.postgres.home.data.stat().st_uid == 65534
            assert (home / "secrets" / "seal_key").stat().st_uid == 0
    except Unavailable as error:
        pytest.skip(error.message)  # the project itself lies where no other user may enter
    finally:
        shutil.rmtree(home)


def test_a_dump_comes_back_and_the_old_database_is_kept(running, home):
    admin = running.postgres.dsn("admin")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('before')")
    file = upgrade.dump(admin, Home(home), now=NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("UPDATE kept SET word = 'after'")
        with pytest.raises(Conflict, match="stop the lab first"):
            upgrade.restore(admin, file, now=NOW)
    aside = upgrade.restore(admin, file, now=NOW)
    with psycopg.connect(admin) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("before",)]
    with psycopg.connect(psycopg.conninfo.make_conninfo(admin, dbname=aside)) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("after",)]


def test_a_file_that_is_no_dump_changes_nothing(running, tmp_path):
    rubbish = tmp_path / "rubbish.dump"
    rubbish.write_bytes(b"hello")
    for file in (rubbish, tmp_path / "absent.dump"):
        with pytest.raises(Invalid):
            upgrade.restore(running.postgres.dsn("admin"), file, now=NOW)
    with psycopg.connect(running.postgres.dsn("admin")) as connection:
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database")]
    assert "quantsite_restore" not in names


def test_redis_holds_no_data_and_listens_on_its_socket_only(running):
    mode = stat.S_IMODE(running.redis.socket.stat().st_mode)
    assert mode & 0o077 == 0
    running.redis.stop()
    running.redis.start()
    running.redis.wait_ready()
