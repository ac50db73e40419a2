"""The pre-flight check: every finding says what was found and how to mend it."""

import os
import socket
from pathlib import Path

import pytest

from apps.core.lab import ports, preflight
from apps.core.lab.home import Home
from apps.core.lab.preflight import Facts, judge

FINE = {"port": 8000, "home": "/lab", "secrets": {"secret_key": 64, "seal_key": 44}}


def test_a_fine_machine_has_no_findings():
    assert judge(Facts(**FINE)) == []


@pytest.mark.parametrize(
    ("changes", "level", "code", "words"),
    [
        ({"port_holder": "process 7 (nginx)"}, "stop", "lab.port_taken", ["nginx", "PORT=8001"]),
        ({"port": 70000}, "stop", "lab.port_invalid", ["70000"]),
        ({"free_mib": 100}, "stop", "lab.disk_full", ["100 MiB", "backups"]),
        ({"free_mib": 1000}, "warn", "lab.disk_short", ["1000 MiB"]),
        ({"python": (3, 10)}, "stop", "lab.python", ["3.10", "PYTHON="]),
        ({"system": "Darwin"}, "stop", "lab.platform", ["Darwin", "DATABASE_URL", "compose"]),
        ({"secrets": {"secret_key": 5}}, "stop", "lab.weak_secret", ["secret_key", "Delete"]),
        ({"secrets": {"seal_key": 0}}, "stop", "lab.weak_secret", ["seal_key", "again"]),
        ({"readable_secrets": ("seal_key",)}, "stop", "lab.open_secret", ["seal_key", "chmod"]),
        ({"leftovers": ("web", "beat")}, "note", "lab.leftovers", ["web, beat"]),
        (
            {"database_given": True, "other_addresses": ("MIGRATE_DATABASE_URL",)},
            "stop",
            "lab.addresses",
            ["SEQUENCER_DATABASE_URL"],
        ),
    ],
)
def test_each_trouble_is_one_finding_with_its_mend(changes, level, code, words):
    (finding,) = judge(Facts(**{**FINE, **changes}))
    assert (finding.level, finding.code) == (level, code)
    assert all(word in str(finding) for word in words)


def test_another_platform_is_fine_with_servers_of_ones_own():
    others = ("MIGRATE_DATABASE_URL", "SEQUENCER_DATABASE_URL")
    given = {"database_given": True, "redis_given": True, "other_addresses": others}
    assert judge(Facts(**FINE, system="Darwin", **given)) == []


def test_what_stops_comes_before_what_warns():
    found = judge(Facts(**FINE, free_mib=1000, leftovers=("web",), port_holder="x"))
    assert [finding.level for finding in found] == ["stop", "warn", "note"]


def test_gather_sees_the_holder_of_a_port_and_open_secrets(tmp_path):
    home = Home(tmp_path / "lab")
    home.prepare()
    (home.secrets / "secret_key").chmod(0o644)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        facts = preflight.gather(home, port, {})
        assert f"process {os.getpid()} " in facts.port_holder
        assert facts.readable_secrets == ("secret_key",)
    assert not ports.is_taken(port)


def test_gather_works_before_the_folder_exists(tmp_path):
    facts = preflight.gather(Home(tmp_path / "a" / "b"), 1, {})
    assert facts.free_mib > 0
    assert facts.secrets == {}
    assert not Path(facts.home).exists()
