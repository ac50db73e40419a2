"""The trail as files: CSV for a sheet, JSON lines with proofs for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import orjson

from apps.audit.models import AuditEvent
from apps.audit.selectors.proofs import Proof, get_proofs
from apps.audit.selectors.trail import leaf_data_of, leaf_of, list_events
from apps.core.errors import Invalid

MOST = {"csv": 100_000, "jsonl": 10_000}
MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
COLUMNS = ("id", "at", "acted_at", "actor", "role", "action", "subject", "leaf", "body")
# A sheet takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TOGETHER = 500


def export_events(team_id: int, kind: str, asked: dict[str, Any]) -> tuple[bytes, str, str]:
    """Return content, file name and media type of the events that fit, newest first.

    Raises ``Invalid`` for more than a file takes.
    """
    rows = list_events(team_id=team_id, limit=MOST[kind] + 1, **asked)
    events = list(rows)
    if len(events) > MOST[kind]:
        message = f"More than {MOST[kind]} events fit; narrow the filter, or take a pack."
        raise Invalid(message, code="audit.export_size")
    data = _csv(events) if kind == "csv" else b"".join(_lines(events))
    return data, f"audit.{kind}", MEDIA[kind]


def _csv(events: Sequence[AuditEvent]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for event in events:
        row = _row(event)
        row["body"] = bytes(event.body).decode()
        writer.writerow([_harmless(row[name]) for name in COLUMNS])
    return out.getvalue().encode()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _row(event: AuditEvent) -> dict[str, Any]:
    leaf = leaf_of(event)
    return {
        "id": str(event.pk),
        "at": event.at.isoformat(),
        "acted_at": event.acted_at.isoformat(),
        "actor": event.actor,
        "role": event.role,
        "action": event.action,
        "subject": event.subject,
        "leaf": leaf.seq if leaf else None,
    }


def _lines(events: Sequence[AuditEvent]) -> Iterator[bytes]:
    """Yield one line per event with its proof, None while it waits; a head stands on its own line.

    The first line names the head, so that it isn't repeated with every proof.
    """
    left = iter(events)
    shown = ""
    while some := list(islice(left, TOGETHER)):
        proofs = get_proofs([event.pk for event in some])
        for event in some:
            proof = proofs.get(event.pk)
            if proof is not None and proof.checkpoint != shown:
                shown = proof.checkpoint
                yield orjson.dumps({"checkpoint": shown}) + b"\n"
            row = {**_row(event), "body": event.content, "proof": _proof(event, proof)}
            yield orjson.dumps(row) + b"\n"


def _proof(event: AuditEvent, proof: Proof | None) -> dict[str, Any] | None:
    if proof is None:
        return None
    return {
        "leaf_data": leaf_data_of(event).hex(),
        "leaf_index": proof.leaf_index,
        "tree_size": proof.tree_size,
        "path": list(proof.path),
    }
