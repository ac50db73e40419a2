"""``manage.py lab`` from the first start to the last stopped child, with kills on the way."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.servers.lab import LATER_START, ROOT, Lab, free_port, wait_for

BROKEN = {"DJANGO_SETTINGS_MODULE": "tests.factories.broken_upgrade.settings"}


def test_it_tells_where_to_go_and_keeps_the_credentials_private(lab):
    path = lab.home / "credentials.json"
    wait_for(lambda: "is ready" in lab.words())
    assert f"http://localhost:{lab.port}" in lab.words()
    assert str(path) in lab.words()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = json.loads(path.read_text())
    assert found["base_url"] == f"http://localhost:{lab.port}"
    assert {"email", "password", "role", "token", "team", "totp_secret"} <= set(found["users"][0])
    assert found["users"][0]["password"] not in lab.words()


def test_a_token_of_the_credentials_opens_the_interface(lab):
    token = json.loads((lab.home / "credentials.json").read_text())["users"][0]["token"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{lab.port}/api/v1/jobs", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def test_everything_listens_on_this_machine_only(lab):
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    mine = [line.split()[1] for line in lines if line.split()[1].endswith(f":{lab.port:04X}")]
    assert all(address.startswith("0100007F:") for address in mine)


def test_a_second_lab_on_the_same_home_is_refused(lab):
    second = Lab(lab.home, free_port())
    second.out = lab.home.parent / "second.out"
    assert second.start().process.wait(timeout=60) == 1
    assert "already runs" in second.words()
    assert str(lab.process.pid) in second.words()
    assert lab.ask()[0] == 200


def test_a_taken_port_is_reported_and_its_holder_left_alone(lab, tmp_path):
    other = Lab(tmp_path / "other", lab.port)
    assert other.start().process.wait(timeout=60) == 1
    assert "lab.port_taken" in other.words()
    assert str(lab.noted()["web"].pid) in other.words()
    assert f"PORT={lab.port + 1}" in other.words()
    assert lab.ask()[0] == 200


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_a_killed_server_is_started_again_and_the_processes_reconnect(lab, name):
    killed, told = lab.servers()[name], lab.words().count(f"{name} ended")
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: not killed.lives)
    wait_for(lambda: lab.words().count(f"{name} ended") > told)
    lab.wait_ready(LATER_START)
    assert lab.servers()[name] != killed


def test_a_killed_worker_is_started_again_and_told(lab):
    killed, words = lab.noted()["worker-quick"], "worker-quick ended (exit -9)"
    told = lab.words().count(words)
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: lab.words().count(words) > told)
    wait_for(lambda: lab.noted().get("worker-quick", killed) != killed)
    lab.wait_ready(LATER_START)


def test_a_backup_is_made_while_the_lab_runs(lab):
    done = subprocess.run(
        [sys.executable, "manage.py", "backup"],
        cwd=ROOT,
        env=lab.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).read_bytes().startswith(b"PGDMP")


def test_after_a_kill_nothing_stays_that_blocks_the_next_start(lab):
    left = {**lab.noted(), **lab.servers()}
    lab.process.kill()
    lab.process.wait()
    wait_for(lambda: not any(process.lives for process in left.values()), 60)
    users = (lab.home / "credentials.json").read_text()
    lab.start().wait_ready(LATER_START)
    assert (lab.home / "credentials.json").read_text() == users


def test_sigterm_stops_everything_and_a_failed_upgrade_leaves_the_data(lab):
    left = {**lab.noted(), **lab.servers()}
    assert lab.stop() == 0
    assert not any(process.lives for process in left.values())
    assert lab.words().rstrip().endswith("Stopped.")
    assert lab.start(**BROKEN).process.wait(timeout=120) == 1
    words = lab.words()
    assert "rolled back" in words
    assert "no_such_column" in words
    (dump,) = (lab.home / "backups").glob("*before-upgrade.dump")
    assert str(dump) in words
    lab.start().wait_ready(LATER_START)
