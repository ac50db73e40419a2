#!/usr/bin/env python3
"""Check an evidence pack without the lab: ``verify_evidence.py PACK.zip --key KEY_FILE``.

One file; needs Python 3.11 and the package ``cryptography``. KEY_FILE holds the ledger's verifier
key (``LAB_HOME/audit_public_key``), got from somebody you trust. Prints JSON; exit 0 when all
holds, 1 when something does not, 2 when there is nothing to check.

What is checked: the head of the ledger is signed by the key; every event lies under that head; the
content's sha-256 is the digest that the proposal was made with and that each decision names; the
outcome follows from decisions that are in the ledger.
"""

import argparse
import base64
import hashlib
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
PACK_FORMAT = "quantsite-evidence/v1"
FIELDS = ("id", "at", "acted_at", "db_user", "team", "actor", "role", "action", "subject", "body")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DASH = "\u2014"
MAX_MEMBER = 4_000_000


class Wrong(Exception):
    """Something in the pack does not hold."""


def sha(data):
    """Return the sha-256."""
    return hashlib.sha256(data).digest()


def read_key(line):
    """Return name and key of a C2SP verifier key line."""
    name, _, rest = line.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    data = base64.b64decode(encoded, validate=True)
    if data[:1] != b"\x01" or sha(name.encode() + b"\n" + data)[:4].hex() != identity:
        message = "not an Ed25519 verifier key (name+id+base64)"
        raise ValueError(message)
    return name, data


def read_checkpoint(note, name, key):
    """Return size and root of a checkpoint signed by the key."""
    text, gap, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    if not gap or origin != name:
        message = f"the checkpoint is of {origin!r}, the key of {name!r}"
        raise Wrong(message)
    head = f"{DASH} {name} "
    for line in signatures.splitlines():
        if line.startswith(head) and _signs(line.removeprefix(head), f"{text}\n", name, key):
            return int(size), base64.b64decode(root, validate=True)
    message = "the checkpoint is not signed by this key"
    raise Wrong(message)


def _signs(encoded, text, name, key):
    data = base64.b64decode(encoded, validate=True)
    if data[:4] != sha(name.encode() + b"\n" + key)[:4]:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[4:], text.encode())
    except InvalidSignature:
        return False
    return True


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
        "body": json.loads(event["body"]),
    }


def _time(data):
    return (EPOCH + timedelta(microseconds=struct.unpack(">q", data)[0])).isoformat()


def read_events(pack, size, root):
    """Return the events of the pack, each proved to lie under the head, in their order."""
    events = []
    for name in sorted(n for n in pack if n.startswith("events/")):
        row = json.loads(pack[name])
        data = bytes.fromhex(row["leaf_data"])
        path = [bytes.fromhex(text) for text in row["path"]]
        if root_from(sha(b"\x00" + data), row["leaf_index"], size, path) != root:
            message = f"{name} is not what the ledger holds at leaf {row['leaf_index']}"
            raise Wrong(message)
        event = {**read_leaf(data), "leaf": row["leaf_index"]}
        if event["id"] != row["id"]:
            message = f"{name} names another event than its leaf"
            raise Wrong(message)
        events.append(event)
    return sorted(events, key=lambda event: event["leaf"])


def judge(content, summary, events):
    """Return what was decided by the events alone; raise unless all fits together."""
    digest = hashlib.sha256(content).hexdigest()
    subject = f"proposal:{summary['id']}"
    if {event["subject"] for event in events} != {subject}:
        message = "the events are not those of this proposal"
        raise Wrong(message)
    made = [event for event in events if event["action"] == "proposal.created"]
    if len(made) != 1 or made[0]["body"].get("digest") != digest:
        message = "content.json is not what was proposed: its digest is not in the ledger"
        raise Wrong(message)
    votes = [event for event in events if event["action"].startswith("proposal.vote.")]
    for vote in votes:
        _check_vote(vote, made[0], digest)
    if len({vote["actor"] for vote in votes}) != len(votes):
        message = "one person decided twice"
        raise Wrong(message)
    outcome = _outcome(events)
    approvals = [vote for vote in votes if vote["action"] == "proposal.vote.approve"]
    if outcome == "approved" and len(approvals) < _people_needed(content):
        message = f"tier {json.loads(content)['tier']} was approved by {len(approvals)} only"
        raise Wrong(message)
    if (summary["digest"], summary["status"]) != (digest, outcome):
        message = f"proposal.json says {summary['status']}, the ledger {outcome}"
        raise Wrong(message)
    return digest, outcome, votes


def _check_vote(vote, made, digest):
    if vote["body"].get("seen_digest") != digest:
        message = f"{vote['actor']} decided on other content"
        raise Wrong(message)
    if vote["actor"] == made["actor"]:
        message = f"{vote['actor']} decided on the own proposal"
        raise Wrong(message)


def _people_needed(content):
    """Return how many people a promotion of this tier takes."""
    shown = json.loads(content)
    return shown["tier"] if shown["kind"] == "promotion" else 1


def _outcome(events):
    ends = {"proposal.approved", "proposal.rejected", "proposal.withdrawn", "proposal.expired"}
    found = [event["action"].partition(".")[2] for event in events if event["action"] in ends]
    words = {event["action"].rpartition(".")[2] for event in events if ".vote." in event["action"]}
    outcome = found[0] if len(found) == 1 else "open" if not found else "unclear"
    needs = {"approved": "approve", "rejected": "reject"}.get(outcome)
    if outcome == "unclear" or (needs and needs not in words):
        message = f"the outcome {', '.join(found)} does not follow from the decisions"
        raise Wrong(message)
    return outcome


def verify(path, key_line):
    """Return the report on a pack."""
    name, key = read_key(key_line)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.file_size > MAX_MEMBER for member in members):
            message = "a file in the pack is too large"
            raise Wrong(message)
        pack = {member.filename: archive.read(member) for member in members}
    summary = json.loads(pack["proposal.json"])
    if summary.get("format") != PACK_FORMAT:
        message = f"the pack is of format {summary.get('format')!r}"
        raise Wrong(message)
    size, root = read_checkpoint(pack["checkpoint.txt"].decode(), name, key)
    events = read_events(pack, size, root)
    digest, outcome, votes = judge(pack["content.json"], summary, events)
    return {
        "ok": True,
        "proposal": summary["id"],
        "digest": digest,
        "outcome": outcome,
        "events": len(events),
        "tree_size": size,
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


def main(arguments=None):
    """Check and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="the zip")
    parser.add_argument("--key", type=Path, required=True, help="file with the verifier key")
    asked = parser.parse_args(arguments)
    try:
        key_line = asked.key.read_text(encoding="utf-8")
        read_key(key_line)
        report, status = verify(asked.pack, key_line), 0
    except Wrong as error:
        report, status = {"ok": False, "problem": str(error)}, 1
    except (OSError, ValueError, KeyError, TypeError, struct.error, zipfile.BadZipFile) as error:
        report, status = {"ok": False, "problem": f"not a readable pack or key: {error!r}"}, 2
    print(json.dumps(report, indent=1))
    return status


if __name__ == "__main__":
    sys.exit(main())
