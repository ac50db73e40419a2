"""Judge a whole ledger: every event against its leaf, every leaf against every signed head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from apps.audit.kernel.chain import Event, hash_event
from apps.audit.kernel.keys import KeyRing
from apps.audit.kernel.merkle import Tile, Tree

MAX_PROBLEMS = 20
HASH = 32


class LeafRow(NamedTuple):
    """A stored leaf with its event, which is None when the event is gone."""

    seq: int
    event_id: UUID
    leaf_hash: bytes
    event: Event | None


class Head(NamedTuple):
    """A stored checkpoint; ``source`` says whose copy it is."""

    size: int
    root: bytes
    note: str
    source: str = "ledger"


@dataclass(slots=True)
class Problem:
    """A finding: the first leaf it touches, and what is wrong."""

    leaf: int | None
    what: str


@dataclass(slots=True)
class Report:
    """What was looked at and what is wrong."""

    leaves: int = 0
    checkpoints: int = 0
    tiles: int = 0
    root: str = ""
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def first_bad_leaf(self) -> int | None:
        """The lowest leaf any finding touches."""
        return min((p.leaf for p in self.problems if p.leaf is not None), default=None)

    def add(self, leaf: int | None, what: str) -> None:
        """Note a finding."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(leaf, what))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {"ok": self.ok, "first_bad_leaf": self.first_bad_leaf, **asdict(self)}


def inspect(
    leaves: Iterable[LeafRow],
    heads: Iterable[Head],
    tiles: Callable[[int], Iterator[Tile]],
    ring: KeyRing,
) -> Report:
    """Return what is wrong with a ledger.

    Parameters
    ----------
    leaves
        In order of ``seq``.
    heads
        In order of ``size``.
    tiles
        Gives the stored tiles of one level in order.
    ring
        The keys that the log's heads must be signed with.
    """
    inspection = _Inspection(iter(heads), tiles, ring)
    for row in leaves:
        inspection.take(row)
    return inspection.finish()


class _Inspection:
    def __init__(
        self,
        heads: Iterator[Head],
        tiles: Callable[[int], Iterator[Tile]],
        ring: KeyRing,
    ) -> None:
        self.tree, self.report = Tree(), Report()
        self.ring = ring
        self.heads, self.head = heads, next(heads, None)
        self.read_tiles = tiles
        self.tiles: dict[int, Iterator[Tile]] = {}
        self.agreed = 0
        self.next_seq = 0
        self.doubt: tuple[int, int] | None = None

    def take(self, row: LeafRow) -> None:
        if row.seq != self.next_seq:
            gone = f"leaves {self.next_seq} to {row.seq - 1} are missing"
            self.report.add(self.next_seq, gone)
        self.next_seq = row.seq + 1
        if row.event is None:
            self.report.add(row.seq, f"the event {row.event_id} of the leaf is gone")
        elif hash_event(row.event) != row.leaf_hash:
            self.report.add(row.seq, f"the event {row.event_id} is not what its leaf was made of")
        for tile in self.tree.add(row.leaf_hash):
            self._check_tile(tile)
        while self.head is not None and self.head.size <= self.tree.size:
            self._check_head(self.head)
            self.head = next(self.heads, None)

    def _check_tile(self, tile: Tile) -> None:
        stored = next(self._tiles(tile.level), None)
        self.report.tiles += 1
        if stored == tile:
            return
        first = tile.index << (8 * (tile.level + 1))
        where = f"tile {tile.level}/{tile.index}"
        if stored is None or stored.index != tile.index:
            self.report.add(first, f"{where} is missing")
            return
        at = next((i for i in range(256) if _part(stored, i) != _part(tile, i)), 0)
        leaf = first + (at << (8 * tile.level))
        self.report.add(leaf, f"{where} does not hold the hashes of its leaves")

    def _tiles(self, level: int) -> Iterator[Tile]:
        if level not in self.tiles:
            self.tiles[level] = self.read_tiles(level)
        return self.tiles[level]

    def _check_head(self, head: Head) -> None:
        self.report.checkpoints += 1
        whose = f"the {head.source}'s checkpoint of size {head.size}"
        try:
            signed = self.ring.open(head.note)
        except ValueError as error:
            self.report.add(self.agreed, f"{whose} is not to be trusted: {error}")
            return
        if (signed.size, signed.root) != (head.size, head.root):
            self.report.add(self.agreed, f"{whose} says other than the note it was signed in")
        if head.size == self.tree.size and signed.root == self.tree.edge.root():
            self.agreed = head.size
        elif self.doubt is None:
            self.doubt = (self.agreed, head.size)
            between = f"leaves {self.agreed} to {head.size - 1} differ from what was signed"
            self.report.add(None, f"{whose}: {between}")

    def finish(self) -> Report:
        report, size = self.report, self.tree.size
        report.leaves, report.root = size, self.tree.edge.root().hex()
        while self.head is not None:
            report.checkpoints += 1
            end = f"leaves end at {size}, but the {self.head.source}'s checkpoint signed"
            report.add(size, f"{end} {self.head.size}")
            self.head = next(self.heads, None)
        self._find_spare_tiles()
        self._place_doubt()
        if report.ok and self.agreed != size:
            report.add(self.agreed, f"leaves {self.agreed} to {size - 1} were never signed")
        return report

    def _find_spare_tiles(self) -> None:
        for level in range(max(self.tiles, default=0) + 2):
            if spare := next(self._tiles(level), None):
                what = f"tile {level}/{spare.index} lies beyond the leaves"
                self.report.add(self.tree.size, what)

    def _place_doubt(self) -> None:
        """Say where the tree left what was signed: at a leaf found bad, or after the last good."""
        if self.doubt is None:
            return
        first, last = self.doubt
        named = [p.leaf for p in self.report.problems if p.leaf is not None]
        leaf = min((leaf for leaf in named if first <= leaf < last), default=first)
        for problem in self.report.problems:
            problem.leaf = leaf if problem.leaf is None else problem.leaf


def _part(tile: Tile, index: int) -> bytes:
    return tile.hashes[index * HASH : (index + 1) * HASH]
