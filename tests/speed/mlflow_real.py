"""``make nightly``: a study mirrored to a real MLflow server, seen over REST and on its page.

MLflow comes from PyPI into a virtual environment of its own; the lab never installs it.
``MLFLOW_PYTHON`` names a Python that has it already, ``MLFLOW_SHOT`` where a picture of the page
goes. The server is taken away while runs finish and comes back with all it had. JSON lines tell
what was seen; the exit code is 1 when something is not there.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.servers.lab import FIRST_START, ROOT, Lab, free_port, wait_for

VERSION = "3.*"
STUDY = "moving-averages"
BODY = {
    "strategy": "sma_crossover",
    "instruments": ["AAPL", "MSFT", "XOM"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2015-12-31",
    "costs": {"fee_bps": 5, "slippage_bps": 2},
    "study": STUDY,
}
API = "/api/2.0/mlflow"
# A machine that does other things as well takes its time.
PATIENCE = 900


def tell(**facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def installed(folder):
    """Return a Python with MLflow."""
    if given := os.environ.get("MLFLOW_PYTHON"):
        return given
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin/python")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", f"mlflow=={VERSION}"], check=True, timeout=1200
    )
    return python


class Mlflow:
    """A real server with a database and a folder for files."""

    def __init__(self, python, folder, port):
        self.python, self.folder, self.port = python, folder, port
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        bin_ = Path(self.python).parent
        self.process = subprocess.Popen(
            [
                self.python, "-m", "mlflow", "server", "--host", "127.0.0.1",
                "--port", str(self.port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db",
                "--artifacts-destination", str(self.folder / "files"),
            ],
            env={**os.environ, **quiet, "PATH": f"{bin_}:{os.environ['PATH']}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
        )  # fmt: skip
        wait_for(self.answers, PATIENCE)

    def answers(self):
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)  # what a power cut leaves of it
        self.process.wait(timeout=60)

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def experiment(self, end):
        found = self.ask(f"{API}/experiments/search", {"max_results": 100})["experiments"]
        return next((e for e in found if e["name"].endswith(end)), None)

    def runs(self):
        experiment = self.experiment(f"/{STUDY}")
        if experiment is None:
            return []
        body = {"experiment_ids": [experiment["experiment_id"]], "max_results": 100}
        return self.ask(f"{API}/runs/search", body).get("runs", [])

    def finished(self):
        return [run for run in self.runs() if run["info"]["status"] == "FINISHED"]


class Client:
    """The lab's REST interface, as the demo team's researcher."""

    def __init__(self, lab):
        self.lab = lab
        self.token = lab.people["researcher"]["token"]

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"{self.lab.base_url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def run(self, *wanted):
        """Queue runs, wait for all of them, return what they came to."""
        made = [
            self.ask("/backtests", {**BODY, "params": params, "title": f"SMA {params}"})["id"]
            for params in wanted
        ]
        for number in made:
            wait_for(lambda n=number: self.ask(f"/backtests/{n}")["status"] == "done", PATIENCE)
        return [self.ask(f"/backtests/{number}") for number in made]


@contextmanager
def started(folder):
    server = Mlflow(installed(folder / "venv"), folder, free_port())
    server.start()
    lab = Lab(folder / "lab", free_port())
    lab.home.mkdir()
    try:
        lab.start(MLFLOW_TRACKING_URI=server.url).wait_ready(FIRST_START * 2)
        yield server, lab
    finally:
        lab.stop()
        if server.process.poll() is None:
            server.stop()


def figures(run):
    return {row["key"]: row["value"] for row in run["data"]["metrics"]}


def tags(run):
    return {row["key"]: row["value"] for row in run["data"]["tags"]}


def check_whole(server, detail):
    """Everything of a run is there: figures to the last digit, digests, files."""
    there = next(r for r in server.finished() if tags(r)["quantsite.run_id"] == detail["id"])
    assert figures(there)["sharpe"] == detail["metrics"]["sharpe"]
    assert tags(there)["quantsite.digest"] == detail["digest"]
    assert tags(there)["quantsite.environment"] == detail["origin"]["environment"]
    number = there["info"]["run_id"]
    paths = set()
    for folder in ("tables", "plots"):
        found = server.ask(f"{API}/artifacts/list?run_id={number}&path={folder}")["files"]
        paths |= {(file["path"], int(file["file_size"])) for file in found}
    sizes = dict(paths)
    assert {"tables/trades.parquet", "plots/equity.png", "plots/equity.html"} <= set(sizes)
    address = f"{server.url}/get-artifact?path=tables%2Ftrades.parquet&run_uuid={number}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read(4) == b"PAR1"
    tell(row="mlflow_run", params=len(there["data"]["params"]), metrics=len(figures(there)),
         tags=len(tags(there)), files=len(sizes), bytes=sum(sizes.values()))  # fmt: skip


def see(server, titles):
    """The page of the experiment shows its name and every run."""
    from playwright.sync_api import sync_playwright

    experiment = server.experiment(f"/{STUDY}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{server.url}/#/experiments/{experiment['experiment_id']}/runs")
        for words in (experiment["name"], *titles):
            page.get_by_text(words, exact=True).first.wait_for(timeout=90_000)
        if shot := os.environ.get("MLFLOW_SHOT"):
            page.wait_for_timeout(3000)
            page.screenshot(path=shot)
        browser.close()
    tell(row="mlflow_page", experiment=experiment["name"], runs=len(titles))


def mirrored_again(lab, server):
    """Ask for all once more; nothing is made twice."""
    before = len(server.runs())
    done = subprocess.run(
        [sys.executable, "manage.py", "mlflow_mirror", "--all"], cwd=ROOT, capture_output=True,
        env={**lab.environment(), "MLFLOW_TRACKING_URI": server.url}, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(server.runs()) == before
    tell(row="mlflow_again", said=json.loads(done.stdout.splitlines()[-1]), runs=before)


def main():
    with (
        tempfile.TemporaryDirectory(prefix="qs-mlflow-") as folder,
        started(Path(folder)) as (server, lab),
    ):
        version = subprocess.run(
            [server.python, "-c", "import mlflow; print(mlflow.__version__)"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        tell(row="mlflow_server", version=version)
        client = Client(lab)
        made = client.run(*({"fast": fast, "slow": 100} for fast in (10, 20, 50)))
        wait_for(lambda: len(server.finished()) == len(made), PATIENCE)
        check_whole(server, made[0])
        server.stop()
        made += client.run({"fast": 30, "slow": 120})  # done, though nobody hears of it
        tell(row="mlflow_away", run=made[-1]["status"])
        server.start()
        wait_for(lambda: len(server.finished()) == len(made), PATIENCE)
        mirrored_again(lab, server)
        see(server, [run["title"] for run in made])
    return 0


if __name__ == "__main__":
    sys.exit(main())
