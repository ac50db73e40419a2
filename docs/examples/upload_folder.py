"""Every file of a folder into a lab, over REST alone: looked at first, then stored.

Run it against a lab that is up:
``.venv/bin/python docs/examples/upload_folder.py .lab/credentials.json FOLDER [PREFIX]``.
Each CSV, Parquet or zip goes into a dataset named after it (PREFIX in front). A file is sent once,
for the preview; what is stored then is named by the digest of that preview. One line per file says
what became of it; a refusal names row and column, and the others go on.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

FINAL = {"done", "failed", "cancelled", "lost", "blocked_no_isolation"}
ENDINGS = (".csv", ".txt", ".tsv", ".parquet", ".zip", ".gz", ".bz2")
PATIENCE = 600.0


class Refused(Exception):
    """The lab did not take a file; the message says why."""


class Lab:
    """A lab over REST, signed in by the token of one of its people."""

    def __init__(self, base_url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.client = httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=300)

    def preview(self, path: Path, dataset: str) -> dict[str, Any]:
        """Send a file; return what it holds. Nothing is stored."""
        with path.open("rb") as file:
            sent = {"file": (path.name, file)}
            return self._answer(self._post("/uploads/preview", {"dataset": dataset}, sent))

    def store(self, file_id: str, dataset: str) -> dict[str, Any]:
        """Store a file that was sent; wait for the job of a large one."""
        found = self._answer(self._post("/uploads", {"upload": file_id, "dataset": dataset}))
        job = found.get("job")
        until = time.monotonic() + PATIENCE
        while job and job["status"] not in FINAL and time.monotonic() < until:
            time.sleep(0.5)
            job = self._answer(self.client.get(f"/jobs/{job['id']}"))
        if job and job["status"] != "done":
            raise Refused((job["error"] or {}).get("message") or f"job {job['status']}")
        return dict(job["result"]) if job else found

    def _post(self, path: str, data: dict[str, str], files: Any = None) -> httpx.Response:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return self.client.post(path, data=data, files=files, headers=key)

    @staticmethod
    def _answer(response: httpx.Response) -> dict[str, Any]:
        body: dict[str, Any] = response.json()
        if response.is_error:
            raise Refused(f"{body['code']}: {body['detail']}")
        return body


def dataset_of(path: Path, prefix: str) -> str:
    """Return the name of the dataset for a file: a-z, 0-9 and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", f"{prefix}{path.name.split('.')[0]}".lower()).strip("-")[:60]


def words_of(stored: dict[str, Any]) -> str:
    """Return what was stored, in words."""
    names = {
        "rows_added": "bars added",
        "rows_changed": "bars changed",
        "figures": "figures",
        "actions": "dividends and splits",
        "reference": "rows of reference data",
        "quarantined": "bars in quarantine",
    }
    return ", ".join(f"{stored[key]:,} {words}" for key, words in names.items() if stored[key])


def main(credentials: str, folder: str, prefix: str = "") -> int:
    """Bring in every file; return how many were refused."""
    told = json.loads(Path(credentials).read_text(encoding="utf-8"))
    person = next(one for one in told["users"] if one["role"] == "researcher")
    lab, refused = Lab(told["base_url"], person["token"]), 0
    files = [path for path in sorted(Path(folder).iterdir()) if path.name.endswith(ENDINGS)]
    for path in files:
        started, dataset = time.monotonic(), dataset_of(path, prefix)
        try:
            found = lab.preview(path, dataset)
            said = words_of(lab.store(found["upload"], dataset)) or "nothing new"
            rows = found["rows"]
        except Refused as error:
            said, rows, refused = f"refused: {error}", 0, refused + 1
        print(f"{path.name:<42} {rows:>11,} rows {time.monotonic() - started:6.1f} s  {said}")
    print(f"{len(files)} files, {refused} refused")
    return refused


if __name__ == "__main__":
    main(*sys.argv[1:])
