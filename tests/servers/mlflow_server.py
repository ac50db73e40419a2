"""A local stand-in for MLflow's tracking server, REST 2.0, that keeps what it is told.

https://mlflow.org/docs/latest/rest-api.html: experiments/get-by-name, experiments/create,
runs/search, runs/create, runs/log-batch, runs/update, runs/delete; files by PUT below
/api/2.0/mlflow-artifacts/artifacts. Errors have ``error_code`` and ``message``; a parameter is
never changed, a batch holds 100 parameters, 100 tags and 1,000 metrics at most.
``tests/speed/mlflow_real.py`` asks the same of a real server.
"""

import re
from typing import ClassVar

from tests.servers.vendor import Handler, VendorServer

API = "/api/2.0/mlflow"
MOST = {"params": 100, "tags": 100, "metrics": 1000}
FILTER = re.compile(r"tags\.`([^`]+)` = '([^']*)'")


class Wire(Handler):
    def do_PUT(self):  # noqa: N802 as the library asks for it
        """Take a file: its body is no JSON."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        start = "/api/2.0/mlflow-artifacts/artifacts/"
        if self.server.files_fault:
            return self.send(self.server.files_fault, {"error_code": "INTERNAL_ERROR"})
        assert self.path.startswith(start), self.path
        self.server.files[self.path.removeprefix(start)] = content
        return self.send(200, {})


class MlflowServer(VendorServer):
    """Keeps experiments and runs in memory; ``token`` asks for a bearer token."""

    routes: ClassVar[dict] = {
        f"GET {API}/experiments/get-by-name": "get_experiment",
        f"POST {API}/experiments/create": "create_experiment",
        f"POST {API}/runs/search": "search",
        f"POST {API}/runs/create": "create_run",
        f"POST {API}/runs/log-batch": "log_batch",
        f"POST {API}/runs/update": "update_run",
        f"POST {API}/runs/delete": "delete_run",
    }

    def __init__(self):
        super().__init__()
        self.RequestHandlerClass = Wire
        self.token = ""
        self.store = "mlflow-artifacts:"
        self.files_fault = 0
        self.experiments, self.runs, self.files = {}, {}, {}
        self.ghost = False  # another client makes the experiment between question and creation

    def allowed(self, call):
        return not self.token or call.headers.get("authorization") == f"Bearer {self.token}"

    def refusal(self, status):
        return {"error_code": "PERMISSION_DENIED", "message": f"refused with {status}"}

    def of(self, name):
        return next((e for e in self.experiments.values() if e["name"] == name), None)

    def get_experiment(self, call):
        found = None if self.ghost else self.of(call.query["experiment_name"])
        self.ghost = False
        if found is None:
            return missing("experiment")
        return {"experiment": found}

    def create_experiment(self, call):
        if self.of(call.body["name"]):
            body = {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "exists"}
            return 400, body
        number = str(len(self.experiments) + 1)
        tags = {tag["key"]: tag["value"] for tag in call.body.get("tags", [])}
        self.experiments[number] = {
            "experiment_id": number, "name": call.body["name"], "lifecycle_stage": "active",
            "told": tags,
        }  # fmt: skip
        return {"experiment_id": number}

    def search(self, call):
        key, value = FILTER.fullmatch(call.body["filter"]).groups()
        found = [
            run for run in self.runs.values()
            if run["info"]["experiment_id"] in call.body["experiment_ids"]
            and run["tags"].get(key) == value and run["info"]["lifecycle_stage"] == "active"
        ]  # fmt: skip
        return {"runs": [self.shown(run) for run in found[: call.body["max_results"]]]}

    def shown(self, run):
        tags = [{"key": key, "value": value} for key, value in run["tags"].items()]
        return {"info": run["info"], "data": {"tags": tags}}

    def create_run(self, call):
        if call.body["experiment_id"] not in self.experiments:
            return missing("experiment")
        number, experiment = f"run{len(self.runs) + 1}", call.body["experiment_id"]
        info = {
            "run_id": number, "experiment_id": experiment, "run_name": call.body["run_name"],
            "status": "RUNNING", "lifecycle_stage": "active",
            "start_time": call.body["start_time"],
            "artifact_uri": f"{self.store}/{experiment}/{number}/artifacts",
        }  # fmt: skip
        tags = {tag["key"]: tag["value"] for tag in call.body["tags"]}
        self.runs[number] = {"info": info, "tags": tags, "params": {}, "metrics": {}}
        return {"run": self.shown(self.runs[number])}

    def log_batch(self, call):
        run = self.runs.get(call.body["run_id"])
        if run is None:
            return missing("run")
        for kind, most in MOST.items():
            rows = call.body.get(kind, [])
            if len(rows) > most:
                return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"over {most}"}
            for row in rows:
                if kind == "params" and run[kind].get(row["key"], row["value"]) != row["value"]:
                    return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "changed"}
                run[kind][row["key"]] = row["value"]
        return {}

    def update_run(self, call):
        run = self.runs[call.body["run_id"]]
        run["info"] |= {"status": call.body["status"], "end_time": call.body["end_time"]}
        return {"run_info": run["info"]}

    def delete_run(self, call):
        self.runs[call.body["run_id"]]["info"]["lifecycle_stage"] = "deleted"
        return {}


def missing(what):
    return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no such {what}"}
