"""MLflow's tracking server over its REST interface, version 2.0.

https://mlflow.org/docs/latest/rest-api.html; files go through the server's own store
(``mlflow-artifacts``), which ``mlflow server`` offers unless it is told otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson

from apps.backtests.kernel.tracking import Address
from apps.backtests.providers.base import Mirrored, Told
from apps.core.errors import Denied, Invalid, LabError, NotFound, Unavailable

NAME = "MLflow"
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
KEY, COMPLETE = "quantsite.run_id", "quantsite.complete"
# What the documentation allows in one batch, and in one value.
MOST_PARAMS, MOST_TAGS, MOST_METRICS = 100, 100, 1000
LONGEST_PARAM, LONGEST_TAG, LONGEST_KEY = 6000, 5000, 250
ODD = re.compile(r"[^A-Za-z0-9_.\-/ :]")
SECONDS = 15.0
MAX_BYTES = 16 * 2**20
RETRY_SECONDS, LONGEST_WAIT = 30.0, 3600.0
PASSING = {408, 409, 425, 429}


class Mlflow:
    """The plug: opens a server."""

    def open(self, address: Address) -> MlflowServer:
        """Return the server at an address, to be closed in the end."""
        return MlflowServer(address)


class MlflowServer:
    """Brings runs to one server."""

    def __init__(self, address: Address) -> None:
        self.target = address.base
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        auth = (address.user, address.password) if address.user else None
        self._client = httpx.Client(
            base_url=address.base,
            headers=headers,
            auth=auth,
            timeout=SECONDS,
            follow_redirects=False,
            trust_env=False,
        )

    def put(self, told: Told, known_id: str = "") -> Mirrored:
        """Bring a run to the server; the same run twice is one run there."""
        experiment = self._experiment(told)
        run = self._find(told.key, experiment) or self._create(told, experiment)
        remote_id = str(run["info"]["run_id"])
        if known_id and known_id != remote_id:
            self._forget(known_id)
        tags = {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", [])}
        if COMPLETE not in tags:
            self._fill(told, remote_id, str(run["info"].get("artifact_uri", "")))
        link = f"{self.target}/#/experiments/{experiment}/runs/{remote_id}"
        return Mirrored(remote_id, link)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _experiment(self, told: Told) -> str:
        asked = {"experiment_name": told.experiment}
        try:
            return _id_of(self._ask("GET", f"{API}/experiments/get-by-name", params=asked))
        except NotFound:
            pass
        tags = [{"key": key, "value": value} for key, value in told.experiment_tags.items()]
        body = {"name": told.experiment, "tags": tags}
        try:
            return str(self._ask("POST", f"{API}/experiments/create", json=body)["experiment_id"])
        except Invalid as error:
            if error.details.get("error_code") != "RESOURCE_ALREADY_EXISTS":
                raise
            # Somebody else made it between the two.
            return _id_of(self._ask("GET", f"{API}/experiments/get-by-name", params=asked))

    def _find(self, key: str, experiment: str) -> dict[str, Any] | None:
        body = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{KEY}` = '{key}'",
            "run_view_type": "ACTIVE_ONLY",
            "max_results": 1,
        }
        found = self._ask("POST", f"{API}/runs/search", json=body).get("runs", [])
        return found[0] if found else None

    def _create(self, told: Told, experiment: str) -> dict[str, Any]:
        body = {
            "experiment_id": experiment,
            "run_name": told.name,
            "start_time": told.started,
            "tags": [{"key": KEY, "value": told.key}],
        }
        found: dict[str, Any] = self._ask("POST", f"{API}/runs/create", json=body)["run"]
        return found

    def _forget(self, remote_id: str) -> None:
        """Delete the run of an experiment that it is no longer told under."""
        try:
            self._ask("POST", f"{API}/runs/delete", json={"run_id": remote_id})
        except (NotFound, Invalid):
            return  # deleted there already

    def _fill(self, told: Told, remote_id: str, store: str) -> None:
        """Tell everything; the last tag says that nothing is missing."""
        metrics = [
            {"key": _key(name), "value": value, "timestamp": told.ended, "step": 0}
            for name, value in told.metrics.items()
        ][:MOST_METRICS]
        params = [
            {"key": _key(name), "value": value[:LONGEST_PARAM]}
            for name, value in told.params.items()
        ]
        for part in _parts(params, MOST_PARAMS):
            self._batch(remote_id, params=part)
        self._batch(remote_id, metrics=metrics)
        tags = dict(told.tags)
        tags["quantsite.files"] = self._send_files(told, store)
        self._batch(remote_id, tags=[*_tags(tags), {"key": COMPLETE, "value": told.key}])
        ended = {"run_id": remote_id, "status": "FINISHED", "end_time": told.ended}
        self._ask("POST", f"{API}/runs/update", json=ended)

    def _batch(self, remote_id: str, **what: Any) -> None:
        self._ask("POST", f"{API}/runs/log-batch", json={"run_id": remote_id, **what})

    def _send_files(self, told: Told, store: str) -> str:
        """Send the files; return what happened to them, for people."""
        parts = urlsplit(store)
        if parts.scheme != "mlflow-artifacts":
            return f"kept in the lab: the server's store ({parts.scheme or 'a folder'}) is its own"
        files = told.files()
        for sent in files:
            path = quote(f"{parts.path.strip('/')}/{sent.path}")
            headers = {"Content-Type": sent.media_type}
            self._ask("PUT", f"{FILES}/{path}", content=sent.content, headers=headers)
        return f"{len(files)} sent"

    def _ask(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        try:
            with self._client.stream(method, path, **what) as answer:
                content = _content(answer)
        except httpx.TimeoutException:
            raise _down("did not answer in time") from None
        except httpx.HTTPError as error:
            raise _down(f"can't be reached ({type(error).__name__})") from None
        if answer.status_code >= httpx.codes.MULTIPLE_CHOICES:
            raise _refusal(answer.status_code, content, answer.headers)
        try:
            found: dict[str, Any] = orjson.loads(content or b"{}")
        except orjson.JSONDecodeError:
            raise _down("answered with something that is not JSON") from None
        if not isinstance(found, dict):
            raise _down("answered with something that is no object")
        return found


def _id_of(answer: Mapping[str, Any]) -> str:
    found = answer.get("experiment", {})
    if found.get("lifecycle_stage") == "deleted":
        message = (
            f"The experiment {found.get('name')} was deleted at the MLflow server; restore it "
            "there, or delete it for good (mlflow gc)."
        )
        raise Denied(message, code="mlflow.deleted")
    return str(found["experiment_id"])


def _key(name: str) -> str:
    return ODD.sub("_", name)[:LONGEST_KEY]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    named = [(_key(name), value) for name, value in tags.items()]
    return [{"key": key, "value": value[:LONGEST_TAG]} for key, value in named][: MOST_TAGS - 1]


def _parts(rows: list[Any], most: int) -> Iterator[list[Any]]:
    for first in range(0, len(rows), most):
        yield rows[first : first + most]


def _content(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise _down(f"sent over {MAX_BYTES >> 20} MiB where a few lines were expected")
    return b"".join(parts)


def _down(what: str) -> Unavailable:
    message = f"The MLflow server {what}; the run is brought there later."
    return Unavailable(message, code="mlflow.unavailable", retry_after=RETRY_SECONDS)


def _refusal(status: int, content: bytes, headers: Mapping[str, str]) -> LabError:
    """Return the error of an answer, by whether asking again later helps."""
    said, error_code = _said(content)
    if status in PASSING or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        given = headers.get("Retry-After", "")
        wait = min(float(given), LONGEST_WAIT) if given.isdigit() else RETRY_SECONDS
        message = f"The MLflow server is busy ({status}); the run is brought there later."
        return Unavailable(message, code="mlflow.unavailable", retry_after=wait)
    details: dict[str, object] = {"error_code": error_code, "status": status}
    if status == httpx.codes.NOT_FOUND:
        message = f"The MLflow server knows no such thing: {said}"
        return NotFound(message, code="mlflow.not_found", details=details)
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        message = (
            f"The MLflow server refuses us ({status}); see MLFLOW_TRACKING_TOKEN, or "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
        return Denied(message, code="mlflow.refused", details=details)
    if status < httpx.codes.BAD_REQUEST:
        message = f"The MLflow server sends us elsewhere ({status}); give its own address."
        return Denied(message, code="mlflow.refused", details=details)
    message = f"The MLflow server refused the run ({status}): {said}"
    return Invalid(message, code="mlflow.refused", details=details)


def _said(content: bytes) -> tuple[str, str]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "no reason given", ""
    if not isinstance(body, dict):
        return "no reason given", ""
    return str(body.get("message", ""))[:200], str(body.get("error_code", ""))
