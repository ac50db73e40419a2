"""The log's keys, one after another: each hand-over is a note that the old and the new key sign.

A head is opened with the key of its size: above ``after`` and up to the next key's. Whoever trusts
one key of the chain comes to the others by the notes; a key that was lost can't sign, so the key
that follows it is trusted only by those who get it from a source of their own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.audit.kernel import chain
from apps.audit.kernel.chain import Checkpoint

HANDOVER = "/key"
LINES = 5


@dataclass(frozen=True, slots=True)
class Handover:
    """A change of keys after ``after`` leaves under ``root``; lines are verifier keys."""

    origin: str
    after: int
    root: bytes
    old: str
    new: str

    def text(self) -> str:
        """Return the text that is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}{HANDOVER}\n{self.after}\n{root}\n{self.old}\n{self.new}\n"


def hand_over(
    head: Checkpoint, old_line: str, old: Ed25519PrivateKey | None, new: Ed25519PrivateKey
) -> str:
    """Return the signed note by which ``new`` follows; without ``old`` the new key signs alone."""
    line = chain.verifier_key(head.origin, new.public_key())
    text = Handover(head.origin, head.size, head.root, old_line, line).text()
    signers = [key for key in (old, new) if key is not None]
    return f"{text}\n" + "".join(chain.signature_line(text, head.origin, key) for key in signers)


@dataclass(frozen=True, slots=True)
class ReadHandover:
    """A hand-over note and who signed it."""

    handover: Handover
    by_old: bool
    by_new: bool


def read_handover(note: str) -> ReadHandover:
    """Return what a hand-over note says and which of its two keys signed it.

    Raises ValueError when it is no such note.
    """
    text, gap, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) != LINES or not lines[0].endswith(HANDOVER):
        message = "a hand-over is five lines: origin/key, size, root, old key, new key"
        raise ValueError(message)
    origin = lines[0].removesuffix(HANDOVER)
    head = chain.read_text("\n".join([origin, *lines[1:3]]))
    found = Handover(origin, head.size, head.root, lines[3], lines[4])
    signed = [
        chain.is_signed(f"{text}\n", signatures.splitlines(), *chain.read_verifier_key(line))
        for line in (found.old, found.new)
    ]
    return ReadHandover(found, *signed)


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key and the sizes of the heads it signs: above ``after``, and up to ``until``."""

    line: str
    public: Ed25519PublicKey
    after: int
    until: int | None

    def covers(self, size: int) -> bool:
        """Tell whether a head of this size is this key's to sign."""
        return self.after < size and (self.until is None or size <= self.until)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Every key of one log that is trusted, the oldest first."""

    name: str
    keys: tuple[LogKey, ...]

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note signed by the key of its size. Raises ValueError."""
        size = chain.read_text(note.partition("\n\n")[0]).size
        for key in self.keys:
            if key.covers(size):
                return chain.open_note(note, self.name, key.public)
        message = f"no trusted key signs checkpoints of size {size}"
        raise ValueError(message)

    @property
    def newest(self) -> LogKey:
        """The key that signs now."""
        return self.keys[-1]


def make_ring(line: str, notes: Iterable[str] = ()) -> KeyRing:
    """Return the ring of a trusted verifier key and the hand-over notes of its log.

    Notes before the key lead back: the key vouches for the one it followed. Notes after it lead on
    as far as each old key signed. Raises ValueError for a broken line or note.
    """
    name, _ = chain.read_verifier_key(line)
    read = [read_handover(note) for note in notes]
    if any(one.handover.origin != name for one in read):
        message = f"a hand-over is of another log than {name!r}"
        raise ValueError(message)
    lines, afters = [line.strip()], [0]
    for one in reversed(read):
        if one.handover.new == lines[0] and one.by_new:
            lines.insert(0, one.handover.old)
            afters[0] = one.handover.after
            afters.insert(0, 0)
    for one in read:
        if one.handover.old == lines[-1] and one.by_old and one.by_new:
            lines.append(one.handover.new)
            afters.append(one.handover.after)
    return _bounded(name, lines, afters)


def _bounded(name: str, lines: Sequence[str], afters: Sequence[int]) -> KeyRing:
    ends: list[int | None] = [*afters[1:], None]
    if list(afters) != sorted(set(afters)):
        message = "the hand-overs are not in the order of their sizes"
        raise ValueError(message)
    keys = (
        LogKey(line, chain.read_verifier_key(line)[1], after, until)
        for line, after, until in zip(lines, afters, ends, strict=True)
    )
    return KeyRing(name, tuple(keys))


def write_keys(line: str, notes: Iterable[str]) -> str:
    """Return the published file: the key that signs now, and how it came after those before."""
    return "\n".join([f"{line}\n", *notes])


def read_keys(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the key and the notes of a published file."""
    line, _, rest = text.partition("\n")
    blocks = [block for block in rest.strip("\n").split("\n\n") if block]
    pairs = zip(blocks[::2], blocks[1::2], strict=False)
    return line.strip(), tuple(f"{head}\n\n{foot}\n" for head, foot in pairs)


def read_ring(text: str, notes: Iterable[str] = ()) -> KeyRing:
    """Return the ring of a published file, and of notes from elsewhere. Raises ValueError."""
    line, own = read_keys(text)
    return make_ring(line, dict.fromkeys(note for note in (*own, *notes) if note))
