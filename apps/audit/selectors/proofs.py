"""Questions about proofs: the newest head, an event's place under it, how heads follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from apps.audit import store
from apps.audit.kernel import chain, keys, merkle
from apps.audit.kernel.keys import KeyRing
from apps.audit.models import AuditCheckpoint, AuditEvent, AuditLeaf
from apps.audit.selectors.trail import columns, get_event
from apps.core.errors import Invalid, Unavailable


@dataclass(frozen=True, slots=True)
class HeadView:
    """The newest signed head of the tree; ``size`` 0 and an empty note before the first."""

    origin: str
    size: int
    root: str
    at: datetime | None
    note: str
    public_key: str
    public_keys: str
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
        public_keys=public_keys_text(),
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


def heads_over(
    leaves: Sequence[int], size: int, sizes: Sequence[int] = ()
) -> list[AuditCheckpoint]:
    """Return the heads below ``size`` that first held the first and the last of the leaves.

    And those of the given sizes.
    """
    wanted = AuditCheckpoint.objects.filter(size__in=sizes, size__lt=size)
    found = {row.size: row for row in wanted}
    for leaf in (min(leaves), max(leaves)):
        rows = AuditCheckpoint.objects.filter(size__gt=leaf, size__lt=size)
        if (row := rows.order_by("size").first()) is not None:
            found[row.size] = row
    return [found[key] for key in sorted(found)]


def heads_around(since: datetime, until: datetime, leaves: Sequence[int]) -> tuple[int, int]:
    """Return the sizes of the last head signed before a time and of the first after another.

    Both are moved apart until the leaves lie between; 0 before the first head, the newest head
    when none was signed after ``until`` yet.
    """
    heads = AuditCheckpoint.objects
    before = heads.filter(at__lt=since, size__lte=min(leaves)).order_by("-size").first()
    after = heads.filter(at__gte=until, size__gt=max(leaves)).order_by("size").first()
    last = after or heads.order_by("-size").first()
    return (before.size if before else 0, last.size if last else 0)


def list_placed(team_id: int | None, first: int, last: int) -> QuerySet[AuditEvent]:
    """Return a team's events that have a leaf from ``first`` to before ``last``, in its order."""
    rows = AuditEvent.objects.filter(team_id=team_id, leaf__seq__gte=first, leaf__seq__lt=last)
    return rows.select_related("leaf").order_by("leaf__seq")


def get_stretch(first: int, last: int) -> tuple[list[bytes], list[bytes]]:
    """Return the perfect subtrees left of leaf ``first``, and the leaf hashes up to ``last``.

    From the former follows the head of ``first`` leaves, from both that of ``last``.
    """
    peaks, low = [], 0
    for level in reversed(range(first.bit_length())):
        if first >> level & 1:
            peaks.append(merkle.range_hash(low, low + (1 << level), store.hashes_between))
            low += 1 << level
    return peaks, store.hashes_between(0, first, last)


@dataclass(frozen=True, slots=True)
class Consistency:
    """What shows that the tree of ``new_size`` leaves extends that of ``old_size`` (RFC 9162)."""

    old_size: int
    old_root: str
    new_size: int
    new_root: str
    path: tuple[str, ...]
    checkpoint: str


def get_consistency(old: int, new: int | None = None) -> Consistency:
    """Return the proof that a signed head extends an older one; the newest without ``new``.

    Raises ``Invalid`` for sizes without a signed head or in the wrong order.
    """
    heads = AuditCheckpoint.objects.order_by("-size")
    newer = heads.filter(size=new).first() if new else heads.first()
    older = heads.filter(size=old).first()
    if newer is None or older is None or older.size > newer.size:
        message = (
            f"No proof leads from {old} to {new or 'the newest'}: both must be sizes of signed "
            "heads, the smaller one first."
        )
        raise Invalid(message, code="audit.sizes")
    path = merkle.consistency_proof(older.size, newer.size, store.hashes_between)
    return Consistency(
        old_size=older.size,
        old_root=bytes(older.root).hex(),
        new_size=newer.size,
        new_root=bytes(newer.root).hex(),
        path=tuple(digest.hex() for digest in path),
        checkpoint=newer.note,
    )


def check_event(event_id: UUID, team_id: int) -> list[Check]:
    """Check one event from its columns up to the signature over the tree. Raises ``NotFound``."""
    event = get_event(event_id, team_id)
    proof = get_proof(event_id)
    if proof is None:
        return [Check("recorded", ok=False, detail="still waits for the sequencer")]
    digest = chain.hash_event(columns(event))
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
        ring = key_ring()
        signed = ring.open(proof.checkpoint)
    except (ValueError, Unavailable) as error:
        return Check("signature", ok=False, detail=str(error))
    same = (signed.size, signed.root.hex()) == (proof.tree_size, proof.root)
    return Check("signature", ok=same, detail=f"checkpoint {signed.size} signed by {ring.name}")


def lag_seconds(*, now: datetime) -> float | None:  # noqa: ARG001 the database's clock decides
    """Return for how long the oldest event waits for its place; None when none waits."""
    return store.oldest_wait()


def public_keys_text() -> str:
    """Return the published keys and hand-overs; empty before the first start."""
    path = Path(settings.AUDIT_PUBLIC_KEY_FILE)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def public_key_line() -> str:
    """Return the published key that heads are signed with; empty before the first start."""
    return keys.read_keys(public_keys_text())[0]


def key_ring(path: Path | None = None, notes: Iterable[str] = ()) -> KeyRing:
    """Return the keys of the log. Raises ``Unavailable`` without any, ValueError for a bad one.

    ``notes`` are hand-overs from elsewhere, by which an old key leads on to those that followed.
    """
    path = path or Path(settings.AUDIT_PUBLIC_KEY_FILE)
    if not path.is_file():
        message = f"There is no public key at {path}; start the sequencer once, or pass --key."
        raise Unavailable(message, code="audit.no_key")
    return keys.read_ring(path.read_text(encoding="utf-8"), notes)
