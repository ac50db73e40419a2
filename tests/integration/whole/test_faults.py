"""What must survive on a whole lab: a killed worker, a killed Redis, a restarted database."""

import json
import signal
import time
import urllib.error
import urllib.request
import uuid

import psutil
import pytest

FINAL = {"done", "failed", "cancelled", "lost", "blocked_no_isolation"}
RUN = {
    "strategy": "sma_crossover",
    "params": {"fast": 10, "slow": 30},
    "universe": "sp500-sample",
    "timeframe": "1d",
    "start": "2008-01-02",
    "end": "2020-12-31",
    "cash": 100000,
    "costs": {"fee_bps": 5, "slippage_bps": 5},
}


class Rest:
    """A REST client that waits out a lab that is coming back."""

    def __init__(self, lab, role):
        self.base = f"{lab.base_url}/api/v1"
        self.token = lab.people[role]["token"]

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        request.add_header("Idempotency-Key", str(uuid.uuid4()))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def start(self, **changes):
        status, body = self.ask("POST", "/backtests", {**RUN, **changes})
        assert status == 202, body
        return body

    def ask_until_it_answers(self, method, path, body=None, seconds=120):
        """Ask again while the lab says that it can't answer now, which is all it may say."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                status, found = self.ask(method, path, body)
            except (urllib.error.URLError, OSError):
                status = 0
            if status in {200, 202}:
                return found
            assert status in {0, 503}, found  # a clear "try again", never a crash
            time.sleep(0.3)
        raise AssertionError(f"{method} {path} never answered")

    def finish(self, job_id, seconds=180):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                status, job = self.ask("GET", f"/jobs/{job_id}")
            except (urllib.error.URLError, OSError):
                status = 0
            if status == 200 and job["status"] in FINAL:
                return job
            time.sleep(0.3)
        raise AssertionError(f"job {job_id} hangs")


@pytest.fixture
def rest(lab):
    return Rest(lab, "researcher")


def family(lab):
    return psutil.Process(lab.process.pid).children(recursive=True)


def processes(lab, *words):
    found = []
    for process in family(lab):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if all(word in line for word in words):
            found.append(process)
    return found


def kill(found):
    assert found
    for process in found:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def test_run_survives_its_killed_worker(lab, rest):
    started = rest.start()
    kill(processes(lab, "celery", "worker", "compute"))
    job = rest.finish(started["job"]["id"])
    assert job["status"] == "done", job["error"]
    _, run = rest.ask("GET", f"/backtests/{started['id']}")
    _, again = rest.ask("GET", f"/backtests/{rest_again(rest)}")
    assert run["digest"] == again["digest"]


def rest_again(rest):
    """The same run once more, undisturbed: the same inputs give the same digest."""
    second = rest.start()
    assert rest.finish(second["job"]["id"])["status"] == "done"
    return second["id"]


def test_jobs_survive_a_killed_redis(lab, rest):
    kill(processes(lab, "redis-server"))
    started = rest.start(params={"fast": 5, "slow": 50})
    job = rest.finish(started["job"]["id"])
    assert job["status"] == "done", job["error"]


def test_processes_reconnect_after_a_database_restart(lab, rest):
    postmaster = min(processes(lab, "bin/postgres"), key=lambda process: process.create_time())
    kill([postmaster])
    assert rest.ask_until_it_answers("GET", "/universes")
    # Another thread's connection may be found dead only now; it says so and asks for one more try.
    started = rest.ask_until_it_answers(
        "POST", "/backtests", RUN | {"params": {"fast": 7, "slow": 70}}
    )
    assert rest.finish(started["job"]["id"])["status"] == "done"


def test_bad_requests_say_what_to_do(rest):
    cases = [
        ({"universe": None, "instruments": ["APPL"]}, "AAPL"),
        ({"start": "2020-01-01", "end": "2010-01-01"}, "2010-01-01"),
        ({"params": {"fast": -3, "slow": 30}}, "fast"),
        ({"strategy": "no_such"}, "no_such"),
        ({"costs": {"fee_bps": "NaN", "slippage_bps": 0}}, "fee_bps"),
    ]
    for change, word in cases:
        status, problem = rest.ask("POST", "/backtests", {**RUN, **change})
        assert status in {404, 422}, (change, problem)
        assert word in json.dumps(problem), problem
        assert problem["code"]
