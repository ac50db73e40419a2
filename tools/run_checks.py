"""Everything ``make check`` looks at: lint, types, architecture, migrations, settings."""

import base64
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

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
    }


TEST = {"QUANTSITE_ENV": "test"}
MANAGE = [PYTHON, "-W", "ignore", "manage.py"]
CHECKS = (
    ("ruff check", [BIN / "ruff", "check", "."], {}),
    ("ruff format", [BIN / "ruff", "format", "--check", "."], {}),
    ("import-linter", [BIN / "lint-imports"], {}),
    ("djlint", [BIN / "djlint", "templates", "--lint", "--quiet"], {}),
    ("deptry", [BIN / "deptry", "."], {}),
    ("mypy", [BIN / "mypy"], TEST),
    ("migrations", [*MANAGE, "makemigrations", "--check", "--dry-run"], TEST),
    (
        "check --deploy",
        [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
        made_up_production(),
    ),
    ("architecture", [PYTHON, "-m", "pytest", "-q", "tests/architecture"], {}),
)


def main(names):
    """Run the checks (or those named); print the words of those that fail."""
    failed = []
    for name, command, environment in CHECKS:
        if names and name not in names:
            continue
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
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name} ({spent:.1f} s)", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout, done.stderr, sep="", flush=True)
        elif name == "architecture":
            print(done.stdout.strip().splitlines()[-1], flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
