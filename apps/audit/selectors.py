"""Questions about the ledger: the trail, an event's proof, the newest head, the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from apps.audit import store
from apps.audit.kernel import chain, merkle
from apps.audit.kernel.inspection import Head, inspect
from apps.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from apps.core.errors import NotFound, Unavailable

USER = re.compile(r"user:(\d+)")
NEWEST = ("-at", "-id")


@dataclass(frozen=True, slots=True)
class HeadView:
    """The newest signed head of the tree; ``size`` 0 and an empty note before the first."""

    origin: str
    size: int
    root: str
    at: datetime | None
    note: str
    public_key: str
    pending_seconds: float | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that an event is under a signed head: check it with any RFC 6962 verifier."""

    event_id: UUID
    leaf_index: int
    leaf_hash: str
    tree_size: int
    root: str
    path: tuple[str, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Check:
    """One step of checking an event, and whether it held."""

    name: str
    ok: bool
    detail: str


def list_events(
    *,
    team_id: int,
    subject: str = "",
    action: str = "",
    actor: str = "",
    search: str = "",
    since: datetime | None = None,
    before: datetime | None = None,
    limit: int | None = None,
) -> QuerySet[AuditEvent]:
    """Return a team's events, newest first.

    ``subject`` and ``action`` also match as the beginning when they end in ``:`` or ``.``.
    """
    rows = AuditEvent.objects.filter(team_id=team_id).select_related("leaf")
    for name, text, mark in (("subject", subject, ":"), ("action", action, ".")):
        if text:
            rows = rows.filter(**{f"{name}__startswith" if text.endswith(mark) else name: text})
    if actor:
        rows = rows.filter(actor=actor)
    if search:
        places = ("subject", "action", "actor")
        rows = rows.filter(reduce(or_, (Q(**{f"{p}__icontains": search}) for p in places)))
    if since:
        rows = rows.filter(at__gte=since)
    if before:
        rows = rows.filter(at__lt=before)
    rows = rows.order_by(*NEWEST)
    return rows if limit is None else rows[:limit]


def get_event(event_id: UUID, team_id: int) -> AuditEvent:
    """Return an event of the team. Raises ``NotFound``."""
    rows = AuditEvent.objects.filter(pk=event_id, team_id=team_id).select_related("leaf")
    event = rows.first()
    if event is None:
        raise NotFound(f"There is no event {event_id} in this team.", code="audit.not_found")
    return event


def leaf_of(event: AuditEvent) -> AuditLeaf | None:
    """Return an event's place in the tree, None while it waits for the sequencer."""
    found: AuditLeaf | None = getattr(event, "leaf", None)
    return found


def find_leaves(event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the places of events in the tree; those that still wait are left out."""
    rows = AuditLeaf.objects.filter(event_id__in=event_ids)
    return dict(rows.values_list("event_id", "seq"))


def leaf_data_of(event: AuditEvent) -> bytes:
    """Return the bytes that an event's leaf hash is made of."""
    return chain.leaf_data(_columns(event))


def pretty(event: AuditEvent) -> str:
    """Return an event's body as indented JSON, for reading."""
    return orjson.dumps(event.content, option=orjson.OPT_INDENT_2).decode()


def actor_labels(names: set[str]) -> dict[str, str]:
    """Return how people see actors: an e-mail address in place of ``user:7``."""
    ids = {int(match[1]): name for name in names if (match := USER.fullmatch(name))}
    people = get_user_model().objects.filter(pk__in=ids)
    labels = {ids[person.pk]: person.get_username() for person in people}
    return {name: labels.get(name, name.removeprefix("system:")) for name in names}


def list_actions(team_id: int) -> list[str]:
    """Return the actions that occur in a team's trail, by name."""
    rows = AuditEvent.objects.filter(team_id=team_id).order_by("action")
    return list(rows.values_list("action", flat=True).distinct())


def head() -> HeadView:
    """Return the newest signed head."""
    newest = AuditCheckpoint.objects.order_by("-size").first()
    return HeadView(
        origin=settings.AUDIT_ORIGIN,
        size=newest.size if newest else 0,
        root=bytes(newest.root).hex() if newest else merkle.EMPTY_ROOT.hex(),
        at=newest.at if newest else None,
        note=newest.note if newest else "",
        public_key=public_key_line(),
        pending_seconds=store.oldest_wait(),
    )


def get_proof(event_id: UUID) -> Proof | None:
    """Return the proof that an event is in the newest tree; None while it waits its turn.

    Callers make sure that the event is of their team.
    """
    return get_proofs([event_id]).get(event_id)


def get_proofs(event_ids: Sequence[UUID]) -> dict[UUID, Proof]:
    """Return the proofs of events under one head; events that still wait are left out."""
    newest = AuditCheckpoint.objects.order_by("-size").first()
    if newest is None:
        return {}
    leaves = AuditLeaf.objects.filter(event_id__in=event_ids, seq__lt=newest.size)
    return {leaf.event_id: _proof(leaf, newest) for leaf in leaves}


def _proof(leaf: AuditLeaf, newest: AuditCheckpoint) -> Proof:
    path = merkle.inclusion_proof(leaf.seq, newest.size, store.hashes_between)
    return Proof(
        event_id=leaf.event_id,
        leaf_index=leaf.seq,
        leaf_hash=bytes(leaf.leaf_hash).hex(),
        tree_size=newest.size,
        root=bytes(newest.root).hex(),
        path=tuple(digest.hex() for digest in path),
        checkpoint=newest.note,
    )


def check_event(event_id: UUID, team_id: int) -> list[Check]:
    """Check one event from its columns up to the signature over the tree. Raises ``NotFound``."""
    event = get_event(event_id, team_id)
    proof = get_proof(event_id)
    if proof is None:
        return [Check("recorded", ok=False, detail="still waits for the sequencer")]
    digest = chain.hash_event(_columns(event))
    path = [bytes.fromhex(text) for text in proof.path]
    root = bytes.fromhex(proof.root)
    included = merkle.verify_inclusion(digest, proof.leaf_index, proof.tree_size, path, root)
    same = digest.hex() == proof.leaf_hash
    return [
        Check("leaf", ok=same, detail=f"leaf {proof.leaf_index} is {digest.hex()}"),
        Check("inclusion", ok=included, detail=f"{len(path)} hashes to root {proof.root}"),
        _check_signature(proof),
    ]


def _check_signature(proof: Proof) -> Check:
    try:
        name, key = public_key()
        signed = chain.open_note(proof.checkpoint, name, key)
    except (ValueError, Unavailable) as error:
        return Check("signature", ok=False, detail=str(error))
    same = (signed.size, signed.root.hex()) == (proof.tree_size, proof.root)
    return Check("signature", ok=same, detail=f"checkpoint {signed.size} signed by {name}")


def _columns(event: AuditEvent) -> chain.Event:
    return chain.Event(
        event.pk,
        event.at,
        event.acted_at,
        event.db_user,
        event.team_id,
        event.actor,
        event.role,
        event.action,
        event.subject,
        bytes(event.body),
    )


def lag_seconds(*, now: datetime) -> float | None:  # noqa: ARG001 the database's clock decides
    """Return for how long the oldest event waits for its place; None when none waits."""
    return store.oldest_wait()


def public_key_line() -> str:
    """Return the published key that heads are signed with; empty before the first start."""
    path = Path(settings.AUDIT_PUBLIC_KEY_FILE)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def public_key(path: Path | None = None) -> tuple[str, Ed25519PublicKey]:
    """Return name and key of the log. Raises ``Unavailable`` without one, ValueError for a bad."""
    path = path or Path(settings.AUDIT_PUBLIC_KEY_FILE)
    if not path.is_file():
        message = f"There is no public key at {path}; start the sequencer once, or pass --key."
        raise Unavailable(message, code="audit.no_key")
    return chain.read_verifier_key(path.read_text(encoding="utf-8"))


def read_witness(path: Path, name: str, key: Ed25519PublicKey) -> Head | None:
    """Return the checkpoint kept outside the database, if there is one.

    Raises ValueError when it isn't signed by ``key``.
    """
    if not path.is_file():
        return None
    note = path.read_text(encoding="utf-8")
    checkpoint = chain.open_note(note, name, key)
    return Head(checkpoint.size, checkpoint.root, note, source="witness")


def verify_ledger(
    connection: psycopg.Connection[Any],
    name: str,
    key: Ed25519PublicKey,
    witness: Head | None = None,
) -> dict[str, Any]:
    """Check the whole ledger against its signed heads, and return the report as JSON."""
    with connection.transaction():
        store.freeze(connection)
        report = inspect(
            store.read_leaves(connection),
            _with_witness(store.read_heads(connection), witness),
            lambda level: store.read_tiles(connection, level),
            name,
            key,
        )
        counts = store.counts(connection)
    if counts["orphans"]:
        report.add(None, f"{counts['orphans']} events are neither in the tree nor in its queue")
    return {
        **report.as_dict(),
        **counts,
        "size": report.leaves,
        "origin": name,
        "witness_size": witness.size if witness else None,
    }


def _with_witness(heads: Iterator[Head], witness: Head | None) -> Iterator[Head]:
    """Yield the heads with the witness in its place by size."""
    for head_ in heads:
        if witness is not None and witness.size <= head_.size:
            yield witness
            witness = None
        yield head_
    if witness is not None:
        yield witness
