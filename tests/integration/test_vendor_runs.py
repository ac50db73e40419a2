"""Runs against a vendor's server: half the symbols fail, two workers share the limit."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.conf import settings

from apps.core import jobs
from apps.core.models import Job
from apps.core.plugs import load_plug
from apps.market import services
from apps.market.models import Flow, IngestRun
from apps.market.services.ingests import running
from apps.market.services.ingests.fetching import Patience
from tests.servers import vendor
from tests.servers.fmp_server import FmpServer

ROOT = Path(__file__).parents[2]
REST = "/api/v1"
JSON = {"content_type": "application/json"}
ANSWERS = 40
GOOD, BAD = ("AAPL", "MSFT"), ("NOBODY", "BROKEN")
# A worker: asks the vendor with the same key until it was answered so many times, and tells what
# it was refused with.
WORKER = """
import sys
import django
django.setup()
from django.conf import settings
from apps.core import buckets
from apps.core.errors import Unavailable
from apps.core.kernel.limits import Limit
from apps.market.providers.pacing import Pacer, Timing
from apps.market.providers.wire import Wire
settings.REDIS_URL, url, name = sys.argv[1:4]
answers = int(sys.argv[4])
pacer = Pacer(name, (Limit(20, 1.0),), {"api_key": "shared"}, Timing(gate=buckets.SharedGate()))
wire = Wire(url, pacer, 10.0, {"apikey": "fmp-key-0123456789abcdef"})
while answers:
    try:
        wire.get("/stable/stock-list")
        answers -= 1
    except Unavailable as error:
        print(error.code, error.retry_after, flush=True)
"""


class Vendor(FmpServer):
    """One symbol it has not, one it breaks over; who asked for what is in ``requests``."""

    def profile(self, call):
        if call.query["symbol"] == "BROKEN":
            return 500, {"Error Message": "Something went wrong."}
        return super().profile(call)


@pytest.fixture
def fmp(monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", Patience(scale=0.0))
    with vendor.running(Vendor()) as server:
        line = {**settings.MARKET_PROVIDERS["fmp"], "OPTIONS": {"base_url": server.url}}
        monkeypatch.setitem(settings.MARKET_PROVIDERS, "fmp", line)
        load_plug.cache_clear()
        yield server
    load_plug.cache_clear()


def work(now):
    run = IngestRun.objects.select_related("job").get()
    Job.objects.filter(pk=run.job_id).update(status="running", attempt=1)
    result = services.run_ingest(jobs.Progress(run.job_id, run.team_id, 1, run.job.payload))
    Job.objects.filter(pk=run.job_id).update(status="done", finished_at=now)
    return result


def symbols_asked(server, since):
    asked = {call.query.get("symbol") for call in server.requests[since:]}
    return {symbol for symbol in asked if symbol in {*GOOD, *BAD}}


def test_a_nightly_flow_of_which_half_fails_names_them_and_fetches_only_them_again(
    fmp, db, api_as, now
):
    admin, client = api_as("admin"), api_as("researcher")
    admin.put(f"{REST}/provider-keys/fmp", {"key": FmpServer.key}, **JSON)
    body = {
        "name": "nightly",
        "provider": "fmp",
        "section": "us-daily",
        "symbols": [*GOOD, *BAD],
        "at_utc": "02:00",
        "dataset": "night",
        "start": "2024-01-01",
    }
    made = client.post(f"{REST}/flows", body, **JSON)
    assert made.status_code == 201, made.json()
    at = Flow.objects.get().next_at
    assert services.run_flows(now=at)["started"] == 1
    assert work(at)["failed"] == 2
    ingest = IngestRun.objects.get()
    tasks = client.get(f"{REST}/ingests/{ingest.pk}/tasks?status=failed").json()["items"]
    errors = {task["symbol"]: task["error"] for task in tasks}
    assert {symbol: error["code"] for symbol, error in errors.items()} == {
        "NOBODY": "symbol.unknown",
        "BROKEN": "provider.down",
    }
    # The flow comes back to those that failed, and to no other.
    for attempt in range(services.flows.RETRIES):
        before = len(fmp.requests)
        assert services.run_flows(now=at)["retried"] == 0
        at += services.flows.RETRY_AFTER * (attempt + 1)
        assert services.run_flows(now=at)["retried"] == 1
        work(at)
        assert symbols_asked(fmp, before) == set(BAD)
    assert services.run_flows(now=at)["reported"] == 1
    (flow,) = client.get(f"{REST}/flows").json()
    assert flow["report"]["status"] == "failed"
    assert set(flow["report"]["errors"]) == set(BAD)
    assert "has no 'NOBODY'" in flow["report"]["errors"]["NOBODY"]
    found = client.get(f"{REST}/instruments?dataset=night").json()["items"]
    assert {item["symbol"] for item in found} == set(GOOD)


class Refusing(FmpServer):
    """Refuses its first call for three seconds; keeps when it was asked."""

    def __init__(self):
        super().__init__()
        self.times, self.lock = [], threading.Lock()

    def stock_list(self, call):  # noqa: ARG002
        with self.lock:
            self.times.append(time.monotonic())
            is_first = len(self.times) == 1
        return (429, self.refusal(429), {"Retry-After": "3"}) if is_first else []


def test_the_pause_that_one_process_was_told_holds_the_other(servers):
    servers.use()
    with vendor.running(Refusing()) as server:
        command = [
            sys.executable,
            "-c",
            WORKER,
            servers.redis_url,
            server.url,
            "two",
            str(ANSWERS),
        ]
        environment = {"QUANTSITE_ENV": "test", "DJANGO_SETTINGS_MODULE": "quantsite.settings"}
        workers = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        told = [worker.communicate(timeout=120)[0] for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    assert "".join(told).split() == ["provider.limited", "3.0"]
    assert len(server.times) == 2 * ANSWERS + 1
    # Without the pause either would be through in two seconds.
    early = sum(1 for at in server.times if at < server.times[0] + 2.5)
    assert early < ANSWERS
    assert server.times[-1] - server.times[0] >= 3.0
