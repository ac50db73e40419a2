"""The Merkle tree of RFC 6962: hashes, the growing edge, inclusion and consistency proofs.

A tree over leaf hashes ``h[0..n)``: the left subtree holds the largest power of two below n. Its
node ``(level, index)`` covers the leaves ``[index << level, (index + 1) << level)``.

References
----------
RFC 6962 section 2.1; RFC 9162 sections 2.1.3 and 2.1.4; C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
# Reads hashes of one level, a multiple of TILE_HEIGHT, from a first to before a last index.
Reader = Callable[[int, int, int], Sequence[bytes]]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Edge:
    """The right edge of a growing tree: its perfect subtrees from left to right.

    Keeps log2(size) hashes, which is all that adding and the root need.
    """

    size: int = 0
    parts: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, digest: bytes, level: int = 0) -> None:
        """Append a leaf hash, or the root of a perfect subtree of ``2 ** level`` leaves."""
        self.size += 1 << level
        while self.parts and self.parts[-1][0] == level:
            digest = node_hash(self.parts.pop()[1], digest)
            level += 1
        self.parts.append((level, digest))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.parts:
            return EMPTY_ROOT
        digest = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            digest = node_hash(left, digest)
        return digest

    def copy(self) -> Edge:
        """Return an independent copy."""
        return Edge(self.size, list(self.parts))


def root_of(hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    edge = Edge()
    for digest in hashes:
        edge.add(digest)
    return edge.root()


def split(size: int) -> int:
    """Return the largest power of two below ``size``, for size >= 2."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose hashes prove leaf ``index`` in a tree of ``size``, leaf first.

    Raises ValueError for an index outside the tree.
    """
    if not 0 <= index < size:
        message = f"leaf {index} is not in a tree of {size}"
        raise ValueError(message)
    low, high, ranges = 0, size, []
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose hashes prove that the tree of ``new`` extends that of ``old``.

    Raises ValueError unless ``0 < old <= new``.
    """
    if not 0 < old <= new:
        message = f"no proof leads from a tree of {old} to one of {new}"
        raise ValueError(message)
    low, high, ranges = 0, new, []
    while old != high:
        middle = low + split(high - low)
        if old <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    if low > 0:
        ranges.append((low, high))
    return ranges[::-1]


def range_hash(low: int, high: int, read: Reader) -> bytes:
    """Return the hash of a subtree over the leaves ``[low, high)``, read in the largest pieces."""
    edge, at = Edge(), low
    for level in (2 * TILE_HEIGHT, TILE_HEIGHT, 0):
        first, last = at >> level, high >> level
        if at % (1 << level) or last <= first:
            continue
        for digest in read(level, first, last):
            edge.add(digest, level)
        at = last << level
    return edge.root()


def inclusion_proof(index: int, size: int, read: Reader) -> list[bytes]:
    """Return the audit path of leaf ``index`` in a tree of ``size``, from the leaf up."""
    return [range_hash(low, high, read) for low, high in inclusion_ranges(index, size)]


def consistency_proof(old: int, new: int, read: Reader) -> list[bytes]:
    """Return the hashes that prove the tree of ``new`` leaves to extend that of ``old``."""
    return [range_hash(low, high, read) for low, high in consistency_ranges(old, new)]


def verify_inclusion(
    digest: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether ``proof`` shows the leaf ``index`` under ``root`` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            digest = node_hash(sibling, digest)
            node, last = _climb_past_gaps(node, last)
        else:
            digest = node_hash(digest, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and digest == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Tell whether ``proof`` shows that the new tree extends the old (RFC 9162 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 < old < new or not proof:
        return False
    # A perfect old tree is a node of the new one, so its root is left out of the proof.
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            node, last = _climb_past_gaps(node, last)
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _climb_past_gaps(node: int, last: int) -> tuple[int, int]:
    """Skip the levels on which the right edge has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


@dataclass(frozen=True, slots=True)
class Tile:
    """256 neighbouring hashes of tree level ``8 * level``, and the hash above them."""

    level: int
    index: int
    hashes: bytes
    root: bytes


@dataclass(slots=True)
class Tree:
    """A growing tree that also cuts tiles."""

    edge: Edge = field(default_factory=Edge)
    open_tiles: dict[int, list[bytes]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self.edge.size

    def add(self, digest: bytes) -> list[Tile]:
        """Append a leaf hash; return the tiles it completes."""
        index = self.edge.size
        self.edge.add(digest)
        tiles: list[Tile] = []
        level = 0
        while True:
            row = self.open_tiles.setdefault(level, [])
            row.append(digest)
            if len(row) < TILE_WIDTH:
                return tiles
            digest, index = root_of(row), index >> TILE_HEIGHT
            tiles.append(Tile(level, index, b"".join(row), digest))
            self.open_tiles[level] = []
            level += 1

    def copy(self) -> Tree:
        """Return an independent copy."""
        rows = {level: list(row) for level, row in self.open_tiles.items()}
        return Tree(self.edge.copy(), rows)
