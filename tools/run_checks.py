"""Everything ``make check`` looks at: lint, types, architecture, migrations, settings."""

import base64
import os
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

AT_A_TIME = 2
ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PYTHON = BIN / "python"


def made_up_production():
    """Return a production environment whose secrets are worth nothing."""
    address = "host=127.0.0.1 user={0} password=x dbname=quantsite"
    return {
        "QUANTSITE_ENV": "prod",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "SEAL_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
        "DATABASE_URL": address.format("app"),
        "MIGRATE_DATABASE_URL": address.format("migrate"),
        "SEQUENCER_DATABASE_URL": address.format("sequencer"),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "ALLOWED_HOSTS": "lab.example.org",
        "SITE_URL": "https://lab.example.org",
        "CSRF_TRUSTED_ORIGINS": "https://lab.example.org",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://collector.example.org/v1/logs",
    }


TEST = {"QUANTSITE_ENV": "test"}
MANAGE = [PYTHON, "-W", "ignore", "manage.py"]
CHECKS = (
    # What takes longest first: the others go by beside it.
    ("mypy", [BIN / "mypy"], TEST),
    ("ruff check", [BIN / "ruff", "check", "."], {}),
    ("ruff format", [BIN / "ruff", "format", "--check", "."], {}),
    ("import-linter", [BIN / "lint-imports"], {}),
    ("djlint", [BIN / "djlint", "templates", "--lint", "--quiet"], {}),
    ("deptry", [BIN / "deptry", "."], {}),
    ("migrations", [*MANAGE, "makemigrations", "--check", "--dry-run"], TEST),
    (
        "check --deploy",
        [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
        made_up_production(),
    ),
    ("architecture", [PYTHON, "-m", "pytest", "-q", "tests/architecture"], {}),
)


def run(check):
    """Run one check; return its name, whether it held, and what is to be told of it."""
    name, command, environment = check
    began = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    spent = time.perf_counter() - began
    held = done.returncode == 0
    told = [f"{'ok  ' if held else 'FAIL'} {name} ({spent:.1f} s)"]
    if not held:
        told += [done.stdout, done.stderr]
    elif name == "architecture":
        told.append(done.stdout.strip().splitlines()[-1])
    return name, held, "\n".join(told)


def main(names):
    """Run the checks (or those named), two at a time; print the words of those that fail."""
    chosen = [check for check in CHECKS if not names or check[0] in names]
    failed = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in as_completed(pool.submit(run, check) for check in chosen):
            name, held, told = done.result()
            print(told, flush=True)
            if not held:
                failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
