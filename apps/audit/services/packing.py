"""Make evidence packs: gather proofs, record the manifest, wait for its leaf, seal.

Not among the package's names, as it reads the models; other apps import it by its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.audit import selectors
from apps.audit.kernel import pack
from apps.audit.models import AuditEvent
from apps.audit.services.ledger import record
from apps.core.actors import Actor
from apps.core.errors import Invalid, Unavailable

WAIT_SECONDS = 10.0
LOOK_SECONDS = 0.1
MOST_EVENTS = 20_000
MOST_LEAVES = 2_000_000
MOST_BYTES = 256 * 2**20
READ_ME = """\
Evidence of a Quantsite ledger: what happened, and the proof that the ledger holds it.

Check it: python verify_evidence.py THIS.zip --key KEY_FILE
KEY_FILE is the ledger's public key, got from a source that you trust, not from this file.

manifest.json        every file with its sha-256; this digest stands in the event of seal.json
seal.json            that event, its place in the tree, and its proof under seal_checkpoint.txt
checkpoint.txt       the signed head of the ledger (C2SP checkpoint, Ed25519) for the events
events/              events: bytes of each leaf, place, audit path (RFC 6962)
consistency/         heads signed before, and the proof that the head extends each (RFC 9162)
keys.txt             the keys the lab says it signed with, one handed over to the next
"""
OF_PERIOD = """\
range.json           from which leaf to which, and the subtrees left of them
leaves.bin           the hash of every leaf between, 32 bytes each: other teams' have no more here
"""
OF_PROPOSAL = """\
content.json         exactly what the deciders were shown; its sha-256 is what they decided on
proposal.json        the outcome and the decisions, in short
version.json         what the strategy's version is; its sha-256 is the digest that was approved
artifacts/           the run that spoke for it: figures, parameters, orders, fills, trades, code
"""


def export_period(
    *, actor: Actor, since: datetime, until: datetime, now: datetime
) -> tuple[bytes, str]:
    """Return a pack of the team's events of a period, and its file name.

    It holds every event of the team between the last head signed before the period and the first
    after it, and the hashes of all leaves there, so that a gap shows. An actor of no team exports
    the events of the lab itself. Raises ``Denied``, ``Invalid`` for an empty or too large period,
    ``Unavailable``.
    """
    actor.require("audit.export")
    team = actor.team_id
    timed = selectors.list_events(team_id=team, since=since, before=until, limit=MOST_EVENTS + 1)
    rows = list(timed)
    _check_count(len(rows), since, until)
    leaves = [proof.leaf_index for proof in _proofs(rows).values()]
    first, last = selectors.heads_around(since, until, leaves)
    placed = list(selectors.list_placed(team, first, last)[: MOST_EVENTS + 1])
    _check_count(len(placed) if last - first <= MOST_LEAVES else MOST_LEAVES, since, until)
    about = {"team": team, "since": since.isoformat(), "until": until.isoformat()}
    data = seal_pack(
        actor=actor,
        kind="period",
        about=about,
        rows=placed,
        files={
            "README.txt": (READ_ME + OF_PERIOD).encode(),
            **pack.stretch_files(first, last, *selectors.get_stretch(first, last)),
        },
        now=now,
        heads=(first, last),
    )
    return data, f"evidence-{since:%Y%m%d}-{until:%Y%m%d}.zip"


def _check_count(count: int, since: datetime, until: datetime) -> None:
    if 1 <= count <= MOST_EVENTS:
        return
    message = (
        f"From {since:%Y-%m-%d} to {until:%Y-%m-%d} there are "
        f"{'too many' if count else 'no'} events; choose another period."
    )
    raise Invalid(message, code="evidence.period", details={"field": "since"})


def seal_pack(
    *,
    actor: Actor,
    kind: str,
    about: Mapping[str, Any],
    rows: Sequence[AuditEvent],
    files: Mapping[str, bytes],
    now: datetime,
    heads: Sequence[int] = (),
) -> bytes:
    """Return the sealed pack of some events and files; the export itself is recorded.

    ``heads`` are sizes of further signed heads to show.

    Raises
    ------
    Denied
    Invalid
        For more than fits into a pack.
    Unavailable
        While an event still waits for its place in the ledger.
    """
    actor.require("audit.export")
    proofs = _proofs(rows)
    checkpoint = next(iter(proofs.values())).checkpoint
    size = next(iter(proofs.values())).tree_size
    places = sorted(rows, key=lambda row: proofs[row.pk].leaf_index)
    earlier = [
        pack.EarlierHead(head.note, selectors.get_consistency(head.size, size).path)
        for head in selectors.heads_over([proofs[row.pk].leaf_index for row in rows], size, heads)
    ]
    events = [packed(row, proofs[row.pk]) for row in places]
    keys = selectors.public_keys_text()
    whole = {**files, **pack.proof_files(events, earlier, checkpoint, keys)}
    if sum(len(data) for data in whole.values()) > MOST_BYTES:
        message = f"The pack would take more than {MOST_BYTES // 2**20} MiB; choose less."
        raise Invalid(message, code="evidence.size")
    manifest = pack.make_manifest(kind, about, whole)
    digest = sha256(manifest).hexdigest()
    with transaction.atomic():
        event_id = record(
            actor=actor,
            action="evidence.sealed",
            subject=f"evidence:{digest[:32]}",
            body={"manifest": digest, "kind": kind, "about": dict(about), "events": len(rows)},
            now=now,
        )
    return pack.make_pack(whole, manifest, _seal(event_id, actor.team_id, size))


def _proofs(rows: Sequence[AuditEvent]) -> dict[UUID, selectors.Proof]:
    """Return the proofs of all, under one head, once the last of them has its place."""
    ids = [row.pk for row in rows]
    for _ in range(max(1, int(WAIT_SECONDS / LOOK_SECONDS))):
        proofs = selectors.get_proofs(ids)
        if len(proofs) == len(ids):
            return proofs
        _pause()
    message = "An event of this pack still waits for its place in the ledger; try again."
    raise Unavailable(message, code="audit.pending", retry_after=1)


def _pause() -> None:
    """Give the sequencer a moment."""
    time.sleep(LOOK_SECONDS)


def _seal(event_id: UUID, team_id: int | None, size: int) -> pack.Seal:
    event = selectors.get_event(event_id, team_id)
    proof = _proofs([event])[event_id]
    return pack.Seal(
        packed(event, proof),
        proof.checkpoint,
        selectors.get_consistency(size, proof.tree_size).path,
    )


def packed(event: AuditEvent, proof: selectors.Proof) -> pack.PackedEvent:
    """Return an event with its proof as it stands in a pack."""
    data = selectors.leaf_data_of(event).hex()
    return pack.PackedEvent(str(event.pk), proof.leaf_index, data, proof.path)
