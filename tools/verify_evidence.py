#!/usr/bin/env python3
"""Check an evidence pack without the lab: ``verify_evidence.py PACK.zip --key KEY_FILE``.

One file; needs Python 3.11 and the package ``cryptography``. KEY_FILE holds the ledger's public
key (``LAB_HOME/audit_public_key``), got from somebody you trust. Prints JSON; exit 0 when all
holds, 1 when something does not, 2 when there is nothing to check.

What is checked: the zip is, byte for byte, the one its manifest makes; the digest of the manifest
stands in an event of the ledger; every event lies under a head that the key signed, and that head
extends those signed before. For an approval: the content's sha-256 is the digest that the proposal
was made with and that each decision names, the outcome follows from decisions that are in the
ledger, the version's description has the digest that was approved, and the list of a sweep's
trials the one that the proposal froze.

A pack of a period also has the hash of every leaf between two heads: the report tells how many of
them are events of this pack, and how many are others'. ``--with PACK.zip``, several times, takes
the packs of the other teams and of the lab itself: together they leave no leaf out, or the report
says how many (``complete``).

``--witness NOTE --witness-key FILE`` also compares with a head that a witness cosigned.
"""

import argparse
import base64
import hashlib
import io
import json
import struct
import sys
import uuid
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LEAF_FORMAT = b"quantsite-audit/v1"
PACK_FORMAT = "quantsite-evidence/v2"
FIELDS = ("id", "at", "acted_at", "db_user", "team", "actor", "role", "action", "subject", "body")
STUDY = "artifacts/study.jsonl"
MANIFEST, SEAL, SEAL_HEAD = "manifest.json", "seal.json", "seal_checkpoint.txt"
SAME_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MODE = 0o600 << 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DASH = "\u2014"
HASH = 32
MAX_PACK = 300 * 2**20
HANDOVER = "/key"
HANDOVER_LINES = 5
HEAD_LINES = 3
TWO = 2  # of the kinds of proposal that two people decide


class Wrong(Exception):
    """Something in the pack does not hold."""


def sha(data):
    """Return the sha-256."""
    return hashlib.sha256(data).digest()


def decode(text):
    """Return the bytes of base64 in its one canonical spelling."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        message = "base64 that is not canonical"
        raise Wrong(message)
    return data


def unhex(text):
    """Return the bytes of hex in lower case."""
    data = bytes.fromhex(text)
    if data.hex() != text:
        message = "hex that is not in lower case"
        raise Wrong(message)
    return data


def read_json(data):
    """Return what canonical JSON (RFC 8785) says; strings, whole numbers, lists, objects only."""
    value = json.loads(data)
    told = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if told.encode() != data:
        message = "JSON that is not canonical"
        raise Wrong(message)
    return value


# Keys: one follows another by a note that both sign.


def read_key(line):
    """Return name and bytes of a C2SP verifier key line."""
    name, _, rest = line.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    data = base64.b64decode(encoded, validate=True)
    if data[:1] != b"\x01" or sha(name.encode() + b"\n" + data)[:4].hex() != identity:
        message = "not an Ed25519 verifier key (name+id+base64)"
        raise ValueError(message)
    return name, data


def read_keys(text):
    """Return the key and the hand-over notes of a published file."""
    line, _, rest = text.partition("\n")
    blocks = [block for block in rest.strip("\n").split("\n\n") if block]
    pairs = zip(blocks[::2], blocks[1::2], strict=False)
    return line.strip(), [f"{head}\n\n{foot}\n" for head, foot in pairs]


def read_handover(note, name):
    """Return (after, old line, new line, whether old signed, whether new signed)."""
    text, _, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if len(lines) != HANDOVER_LINES or lines[0] != f"{name}{HANDOVER}":
        message = "a hand-over of keys is not readable or of another log"
        raise Wrong(message)
    signed = [
        any(signs(row, f"{text}\n", *read_key(line)) for row in signatures.splitlines())
        for line in lines[3:]
    ]
    return int(lines[1]), lines[3], lines[4], *signed


def ring_of(trusted, packed):
    """Return [(after, name, key)], the oldest first: a trusted key, and those it leads to."""
    line, notes = read_keys(trusted)
    name, _ = read_key(line)
    steps = [read_handover(n, name) for n in dict.fromkeys([*notes, *read_keys(packed)[1]])]
    steps.sort()
    lines, afters = [line], [0]
    for after, old, new, _, by_new in reversed(steps):
        if new == lines[0] and by_new:
            lines.insert(0, old)
            afters[0] = after
            afters.insert(0, 0)
    for after, old, new, by_old, by_new in steps:
        if old == lines[-1] and by_old and by_new:
            lines.append(new)
            afters.append(after)
    return [(after, *read_key(line)) for after, line in zip(afters, lines, strict=True)]


def signs(row, text, name, key):
    """Tell whether a signature line of a note is by this key."""
    head = f"{DASH} {name} "
    if not row.startswith(head):
        return False
    data = decode(row.removeprefix(head))
    if data[:4] != sha(name.encode() + b"\n" + key)[:4]:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[4:], text.encode())
    except InvalidSignature:
        return False
    return True


def read_checkpoint(note, ring, *, alone=True):
    """Return size and root of a checkpoint signed by the key of its size, and by nobody else."""
    text, gap, signatures = note.partition("\n\n")
    lines, rows = text.split("\n"), signatures.splitlines()
    name = ring[0][1]
    if not gap or len(lines) != HEAD_LINES or lines[0] != name:
        message = f"the checkpoint is of {lines[0]!r}, the key of {name!r}"
        raise Wrong(message)
    size, root = int(lines[1]), decode(lines[2])
    if str(size) != lines[1] or len(root) != hashlib.sha256().digest_size:
        message = "the checkpoint's size or root is not as it must be"
        raise Wrong(message)
    key = [key for after, _, key in ring if after < size][-1]
    if alone and (len(rows) != 1 or signatures != f"{rows[0]}\n"):
        message = "the checkpoint has more than the log's signature"
        raise Wrong(message)
    if not any(signs(row, f"{text}\n", name, key) for row in rows):
        message = "the checkpoint is not signed by this key"
        raise Wrong(message)
    return size, root


# Proofs.


def root_from(leaf, index, size, path):
    """Return the root that a leaf and its audit path lead to (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        message = f"leaf {index} is not in a tree of {size}"
        raise Wrong(message)
    node, last, digest = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            message = f"the audit path of leaf {index} is too long"
            raise Wrong(message)
        if node & 1 or node == last:
            digest = sha(b"\x01" + sibling + digest)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            digest = sha(b"\x01" + digest + sibling)
        node, last = node >> 1, last >> 1
    if last:
        message = f"the audit path of leaf {index} is too short"
        raise Wrong(message)
    return digest


def extends(old, old_root, new, new_root, path):
    """Tell whether the path shows that the new tree extends the old one (RFC 9162 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not path
    if not 0 < old < new or not path:
        return False
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = sha(b"\x01" + sibling + before), sha(b"\x01" + sibling + after)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            after = sha(b"\x01" + after + sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def read_leaf(data):
    """Return the columns of an event from the bytes of its leaf."""
    if not data.startswith(LEAF_FORMAT):
        message = "a leaf is of an unknown format"
        raise Wrong(message)
    at, found = len(LEAF_FORMAT), []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(data) or len(found) != len(FIELDS):
        message = "a leaf does not have the columns of an event"
        raise Wrong(message)
    event = dict(zip(FIELDS, found, strict=True))
    words = ("db_user", "actor", "role", "action", "subject")
    return {
        **{name: event[name].decode() for name in words},
        "id": str(uuid.UUID(bytes=event["id"])),
        "at": _time(event["at"]),
        "acted_at": _time(event["acted_at"]),
        "team": struct.unpack(">q", event["team"])[0] if event["team"] else None,
        "body": json.loads(event["body"]),
    }


def _time(data):
    return (EPOCH + timedelta(microseconds=struct.unpack(">q", data)[0])).isoformat()


def read_event(name, row, size, root):
    """Return an event, proved to lie under the head."""
    data = unhex(row["leaf_data"])
    path = [unhex(text) for text in row["path"]]
    if root_from(sha(b"\x00" + data), row["leaf_index"], size, path) != root:
        message = f"{name} is not what the ledger holds at leaf {row['leaf_index']}"
        raise Wrong(message)
    event = {**read_leaf(data), "leaf": row["leaf_index"], "hash": sha(b"\x00" + data)}
    if event["id"] != row["id"]:
        message = f"{name} names another event than its leaf"
        raise Wrong(message)
    return event


# The pack.


def read_pack(data):
    """Return the files of a pack whose every byte is as its manifest says."""
    if len(data) > MAX_PACK:
        message = "the pack is too large"
        raise Wrong(message)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > MAX_PACK:
            message = "the files of the pack are too large"
            raise Wrong(message)
        pack = {member.filename: archive.read(member) for member in members}
    _check_files(pack)
    if _zip(pack) != data:
        message = "the zip is not the one that its files make: something was added or changed"
        raise Wrong(message)
    return pack


def _check_files(pack):
    missing = {MANIFEST, SEAL, SEAL_HEAD} - set(pack)
    if missing:
        message = f"the pack lacks {', '.join(sorted(missing))}"
        raise Wrong(message)
    manifest = json.loads(pack[MANIFEST])
    if manifest.get("format") != PACK_FORMAT:
        message = f"the pack is of format {manifest.get('format')!r}"
        raise Wrong(message)
    named = {row["name"]: row for row in manifest["files"]}
    others = set(pack) - {MANIFEST, SEAL, SEAL_HEAD}
    if set(named) != others:
        odd = sorted(set(named) ^ others)
        message = f"the manifest and the pack differ in {', '.join(odd[:5])}"
        raise Wrong(message)
    for name, row in named.items():
        if (row["size"], row["sha256"]) != (len(pack[name]), sha(pack[name]).hex()):
            message = f"{name} is not what the manifest names"
            raise Wrong(message)


def _zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as pack:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, SAME_TIME)
            entry.create_system, entry.external_attr = UNIX, MODE
            pack.writestr(entry, data)
    return out.getvalue()


def check_seal(pack, ring, size, root):
    """Return the sealing event: it names this manifest, under a head that extends the pack's."""
    row = read_json(pack[SEAL])
    if set(row) != {"id", "leaf_index", "leaf_data", "path", "consistency"}:
        message = "seal.json has other fields than a seal"
        raise Wrong(message)
    seal_size, seal_root = read_checkpoint(pack[SEAL_HEAD].decode(), ring)
    path = [unhex(text) for text in row["consistency"]]
    if not extends(size, root, seal_size, seal_root, path):
        message = "the head of the seal does not extend the head of the events"
        raise Wrong(message)
    event = read_event(SEAL, row, seal_size, seal_root)
    if event["action"] != "evidence.sealed" or event["body"].get("manifest") != (
        sha(pack[MANIFEST]).hex()
    ):
        message = "the ledger holds no seal of this manifest"
        raise Wrong(message)
    return event


def read_events(pack, size, root):
    """Return the events of the pack, each proved to lie under the head, in their order."""
    names = sorted(name for name in pack if name.startswith("events/"))
    events = [read_event(name, read_json(pack[name]), size, root) for name in names]
    leaves = [event["leaf"] for event in events]
    if not events or leaves != sorted(set(leaves)):
        message = "there are no events, or they are not in the order of the ledger"
        raise Wrong(message)
    return events


def check_older(pack, ring, size, root):
    """Check that the head extends each of those signed before; return their roots by size."""
    found = {}
    names = sorted(name for name in pack if name.startswith("consistency/"))
    for name in names:
        row = read_json(pack[name])
        old, old_root = read_checkpoint(row["checkpoint"], ring)
        if not extends(old, old_root, size, root, [unhex(text) for text in row["path"]]):
            message = f"the head does not extend the one of {name}"
            raise Wrong(message)
        found[old] = old_root
    return found


# Every leaf of a period.


def add_leaf(parts, digest, level=0):
    """Append to the perfect subtrees of a growing tree, from left to right."""
    while parts and parts[-1][0] == level:
        digest = sha(b"\x01" + parts.pop()[1] + digest)
        level += 1
    parts.append((level, digest))


def root_of(parts):
    """Return the root over the perfect subtrees of a tree."""
    digest = parts[-1][1]
    for _, left in reversed(parts[:-1]):
        digest = sha(b"\x01" + left + digest)
    return digest


def read_range(pack, heads, events):
    """Return first leaf, last leaf and the hashes between, proved by the heads around them."""
    told = read_json(pack["range.json"])
    first, last, peaks = told["first"], told["last"], [unhex(text) for text in told["peaks"]]
    data = pack["leaves.bin"]
    leaves = [data[at : at + HASH] for at in range(0, len(data), HASH)]
    levels = [level for level in reversed(range(first.bit_length())) if first >> level & 1]
    if not 0 <= first < last or len(data) != HASH * (last - first) or len(peaks) != len(levels):
        message = "the range does not have the leaves that it names"
        raise Wrong(message)
    parts = list(zip(levels, peaks, strict=True))
    if first and heads.get(first) != root_of(parts):
        message = f"the leaves before {first} do not make a head that was signed"
        raise Wrong(message)
    for digest in leaves:
        add_leaf(parts, digest)
    if heads.get(last) != root_of(parts):
        message = f"the leaves up to {last} do not make a head that was signed"
        raise Wrong(message)
    check_places(events, first, leaves)
    if not all(first <= event["leaf"] < last for event in events):
        message = "an event is not of the range"
        raise Wrong(message)
    return first, last, leaves


def check_places(events, first, leaves):
    """Check that events are what stands at their leaves, and return which leaves they are."""
    inside = {e["leaf"]: e["hash"] for e in events if first <= e["leaf"] < first + len(leaves)}
    for leaf, digest in inside.items():
        if leaves[leaf - first] != digest:
            message = f"leaf {leaf} is another event"
            raise Wrong(message)
    return set(inside)


# What the events say.


def judge(pack, about, events):
    """Return what was decided by the events alone; raise unless all fits together."""
    content, summary = pack["content.json"], json.loads(pack["proposal.json"])
    digest = sha(content).hex()
    subject = f"proposal:{summary['id']}"
    own = [event for event in events if event["subject"] == subject]
    made = [event for event in own if event["action"] == "proposal.created"]
    if len(made) != 1 or made[0]["body"].get("digest") != digest:
        message = "content.json is not what was proposed: its digest is not in the ledger"
        raise Wrong(message)
    votes = [event for event in own if event["action"].startswith("proposal.vote.")]
    for vote in votes:
        _check_vote(vote, made[0], digest)
    if len({vote["actor"] for vote in votes}) != len(votes):
        message = "one person decided twice"
        raise Wrong(message)
    outcome = _outcome(own)
    approvals = [vote for vote in votes if vote["action"] == "proposal.vote.approve"]
    if outcome == "approved" and len(approvals) < _people_needed(content):
        message = f"the proposal was approved by {len(approvals)} only"
        raise Wrong(message)
    stated = (about["proposal"], about["digest"], summary["digest"], summary["status"])
    if stated != (summary["id"], digest, digest, outcome):
        message = f"proposal.json says {summary['status']}, the ledger {outcome}"
        raise Wrong(message)
    shown = json.loads(content)
    _check_version(pack, shown)
    _check_study(pack, shown)
    return digest, outcome, votes


def _check_version(pack, content):
    """Check that the version has the digest that was proposed, and each part its own."""
    if "version.json" not in pack:
        return
    if sha(pack["version.json"]).hex() != content["subject_digest"]:
        message = "version.json is not the version that was proposed"
        raise Wrong(message)
    version = json.loads(pack["version.json"])
    source = pack.get("artifacts/source.py")
    if version["kind"] == "python" and (source is None or sha(source).hex() != version["source"]):
        message = "artifacts/source.py is not the text of the version"
        raise Wrong(message)
    run = json.loads(pack.get("artifacts/run.json", b"{}"))
    facts = content["evidence"].get("facts", {})
    if run and (run["run"], run["digest"]) != (facts.get("run"), facts.get("run digest")):
        message = "artifacts/run.json is not the run that the proposal names"
        raise Wrong(message)
    for name, digest in run.get("artifacts", {}).items():
        if sha(pack[f"artifacts/{name}.parquet"]).hex() != digest:
            message = f"artifacts/{name}.parquet is not what the run kept"
            raise Wrong(message)


def _check_study(pack, content):
    """Check that the list of trials is the one that the proposal froze, and is there if named."""
    frozen = content["evidence"].get("study", {}).get("digest")
    trials = pack.get(STUDY)
    if trials is None and frozen is None:
        return
    if trials is None or sha(trials).hex() != frozen:
        message = f"{STUDY} is not the list of trials that the proposal froze"
        raise Wrong(message)


def _check_vote(vote, made, digest):
    if vote["body"].get("seen_digest") != digest:
        message = f"{vote['actor']} decided on other content"
        raise Wrong(message)
    if vote["actor"] == made["actor"]:
        message = f"{vote['actor']} decided on the own proposal"
        raise Wrong(message)


def _people_needed(content):
    """Return how many people a proposal like this takes."""
    shown = json.loads(content)
    if shown["kind"] == "promotion":
        return shown["tier"]
    return TWO if shown["kind"] == "configuration" else 1


def _outcome(events):
    words = ("approved", "rejected", "withdrawn", "expired", "superseded")
    ends = {f"proposal.{word}" for word in words}
    found = [event["action"].partition(".")[2] for event in events if event["action"] in ends]
    votes = {event["action"].rpartition(".")[2] for event in events if ".vote." in event["action"]}
    outcome = found[0] if len(found) == 1 else "open" if not found else "unclear"
    needs = {"approved": "approve", "rejected": "reject"}.get(outcome)
    if outcome == "unclear" or (needs and needs not in votes):
        message = f"the outcome {', '.join(found)} does not follow from the decisions"
        raise Wrong(message)
    return outcome


def period(about, events):
    """Check that the events are of the period; of packs from before ranges were shown."""
    since, until = (datetime.fromisoformat(about[name]) for name in ("since", "until"))
    for event in events:
        if not since <= datetime.fromisoformat(event["at"]) < until:
            message = f"leaf {event['leaf']} is not of the period"
            raise Wrong(message)


def compare_witness(note, key_line, ring, size, root):
    """Return when a witness saw a head of this log; raise for one that contradicts the pack."""
    name, _, rest = key_line.strip().partition("+")
    key = base64.b64decode(rest.partition("+")[2], validate=True)
    text, _, signatures = note.partition("\n\n")
    seen, seen_root = read_checkpoint(note, ring, alone=False)
    head = f"{DASH} {name} "
    for row in signatures.splitlines():
        if row.startswith(head):
            data = decode(row.removeprefix(head))
            seconds = struct.unpack(">Q", data[4:12])[0]
            message = f"cosignature/v1\ntime {seconds}\n{text}\n".encode()
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[12:], message)
            if seen == size and seen_root != root:
                message = "the witness saw another tree of this size: the ledger was rewritten"
                raise Wrong(message)
            return {"size": seen, "at": (EPOCH + timedelta(seconds=seconds)).isoformat()}
    message = "the note is not signed by this witness"
    raise Wrong(message)


def verify(data, key_text, others=()):
    """Return the report on a pack, the ring of keys, and the head of the events.

    ``others`` are packs of other teams: what of the range they hold is counted with this one's.
    """
    pack = read_pack(data)
    ring = ring_of(key_text, pack["keys.txt"].decode())
    size, root = read_checkpoint(pack["checkpoint.txt"].decode(), ring)
    events = read_events(pack, size, root)
    older = check_older(pack, ring, size, root)
    seal = check_seal(pack, ring, size, root)
    manifest = json.loads(pack[MANIFEST])
    about = manifest["about"]
    if {event["team"] for event in [*events, seal]} != {about["team"]}:
        message = "the events are not all of one team"
        raise Wrong(message)
    report = {
        "ok": True,
        "kind": manifest["kind"],
        "about": about,
        "files": len(pack),
        "events": len(events),
        "older_heads": len(older),
        "tree_size": size,
        "sealed_by": seal["actor"],
        "sealed_at_leaf": seal["leaf"],
    }
    if manifest["kind"] == "period":
        if "range.json" in pack:
            heads = {**older, size: root}
            report |= _account(pack, heads, events, key_text, others)
        else:
            period(about, events)
        return report, ring, (size, root)
    return {**report, **_decided(pack, about, events)}, ring, (size, root)


def _account(pack, heads, events, key_text, others):
    """Return which leaves of the range are events of this pack or of the others."""
    first, last, leaves = read_range(pack, heads, events)
    found = check_places(events, first, leaves)
    told = {"first_leaf": first, "before_leaf": last, "of_this_pack": len(found)}
    for data in others:
        other = read_pack(data)
        verify(data, key_text)
        size, root = read_checkpoint(
            other["checkpoint.txt"].decode(), ring_of(key_text, other["keys.txt"].decode())
        )
        found |= check_places(read_events(other, size, root), first, leaves)
    missing = last - first - len(found)
    return {"range": {**told, "others": missing}, "complete": missing == 0}


def _decided(pack, about, events):
    digest, outcome, votes = judge(pack, about, events)
    return {
        "proposal": about["proposal"],
        "digest": digest,
        "outcome": outcome,
        "decisions": [
            {
                "decider": vote["actor"],
                "role": vote["role"],
                "decision": vote["action"].rpartition(".")[2],
                "rationale": vote["body"].get("rationale", ""),
                "at": vote["acted_at"],
                "leaf": vote["leaf"],
            }
            for vote in votes
        ],
    }


def look(asked):
    """Return the report that is asked for."""
    with asked.pack.open("rb") as file:
        data = file.read(MAX_PACK + 1)
    others = [path.read_bytes() for path in asked.others]
    report, ring, head = verify(data, asked.key.read_text(encoding="utf-8"), others)
    if asked.witness:
        note = asked.witness.read_text(encoding="utf-8")
        line = asked.witness_key.read_text(encoding="utf-8")
        report["witness"] = compare_witness(note, line, ring, *head)
    return report


def main(arguments=None):
    """Check and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="the zip")
    parser.add_argument("--key", type=Path, required=True, help="file with the ledger's key")
    parser.add_argument(
        "--with", type=Path, dest="others", action="append", default=[], help="another team's pack"
    )
    parser.add_argument("--witness", type=Path, help="a note that a witness cosigned")
    parser.add_argument("--witness-key", type=Path, help="file with the witness's key")
    asked = parser.parse_args(arguments)
    try:
        read_key(asked.key.read_text(encoding="utf-8").partition("\n")[0])
        report, status = look(asked), 0
    except Wrong as error:
        report, status = {"ok": False, "problem": str(error)}, 1
    except InvalidSignature:
        report, status = {"ok": False, "problem": "the witness's signature does not hold"}, 1
    except UNREADABLE as error:
        report, status = {"ok": False, "problem": f"not a readable pack or key: {error!r}"}, 2
    print(json.dumps(report, indent=1))
    return status


UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    RuntimeError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
)


if __name__ == "__main__":
    sys.exit(main())
