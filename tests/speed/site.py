"""Servers for benches: a prepared database with the sample, and sites on it."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment_of(servers, **more):
    """The variables by which a process finds the servers."""
    return {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "DATABASE_URL": servers.postgres.dsn("app"),
        "MIGRATE_DATABASE_URL": servers.postgres.dsn("migrate"),
        "REDIS_URL": servers.redis.url,
        **more,
    }


def manage(environment, *arguments):
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


FILL = """
import django; django.setup()
from apps.accounts import services as accounts
from apps.core import clock
from apps.core.actors import system
from apps.market import services as market
market.load_sample(actor=system("bench"), now=clock.now())
people = accounts.create_demo_team(now=clock.now())
print(next(p["token"] for p in people if p["role"] == "researcher"))
"""


@contextlib.contextmanager
def filled_database():
    """A database with the sample and a demo team; gives its environment and a token."""
    from apps.core.lab.servers import embedded_servers

    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="qs-bench-"))
        servers = stack.enter_context(embedded_servers(Path(home)))
        environment = environment_of(servers, LAB_HOME=home, API_RATE_PER_MINUTE="100000000")
        manage({**environment, "DB_ROLE": "migrate"}, "migrate", "--verbosity", "0")
        command = [sys.executable, "-c", FILL]
        settings = {"DJANGO_SETTINGS_MODULE": "quantsite.settings"}
        done = subprocess.run(
            command, cwd=ROOT, env={**environment, **settings}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]
        yield environment, done.stdout.split()[-1]


@contextlib.contextmanager
def site(environment, application, path, **more):
    """An ASGI application on uvicorn; gives its port once ``path`` answers."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port)]
    command += ["--log-level", "warning", "--no-access-log", "--lifespan", "off"]
    variables = {**environment, "PORT": str(port), "DB_POOL_SIZE": "8", **more}
    # A file, not a pipe: a full pipe would stop the site.
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stderr=words)
        try:
            _wait(process, words, f"http://127.0.0.1:{port}{path}")
            yield port
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(process, words, url):
    for _ in range(300):
        if process.poll() is not None:
            words.seek(0)
            raise AssertionError(words.read().decode()[-2000:])
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} did not answer")
