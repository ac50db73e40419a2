"""The evidence pack convinces somebody who has only the pack, the tool and the key."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import psycopg
import pytest

from apps.approvals import selectors, services
from apps.audit.kernel import chain
from apps.audit.services import Paths
from apps.audit.services import sequencer as sequencing
from apps.core.errors import Unavailable
from tests.factories import signing

ROOT = Path(__file__).parents[2]
WHY = "It held out of sample and survives the costs."


@pytest.fixture(autouse=True)
def _nothing_follows(settings):
    """The subjects here are only names: no stage moves, no run speaks for them."""
    settings.DECISION_EFFECTS = {}
    settings.EVIDENCE_SOURCES = {}


@pytest.fixture
def paths(servers, settings):
    home = servers.home
    found = Paths(home / "secrets" / "audit_test_key", home / "audit_public", home / "witness")
    settings.AUDIT_PUBLIC_KEY_FILE = found.public_key
    return found


@pytest.fixture
def proposal(live_db, actor, team, now):
    made = services.propose(
        actor=actor("researcher"),
        kind="promotion",
        subject="version:1",
        title="Momentum to paper",
        digest="a" * 64,
        evidence={"metrics": {"sharpe": 1.4, "trades": 120, "volume": 1e22}, "run": "r1"},
        rationale=WHY,
        target_stage="paper",
        tier=2,
        now=now,
    )
    for role in ("validator", "risk_manager"):
        signing.decide(actor(role), made, now)
    return selectors.get_proposal(made.pk, team.pk)


@pytest.fixture
def pack(proposal, paths, servers, settings, tmp_path):
    with pytest.raises(Unavailable, match="still waits"):
        selectors.evidence_pack(proposal)
    with psycopg.connect(servers.dsn("sequencer"), autocommit=True) as connection:
        sequencer = sequencing.open_sequencer(connection, paths, settings.AUDIT_ORIGIN)
        while sequencer.step():
            pass
    path = tmp_path / "pack.zip"
    path.write_bytes(selectors.evidence_pack(proposal))
    return path


def verify(pack, key):
    command = [sys.executable, str(ROOT / "tools" / "verify_evidence.py"), str(pack)]
    done = subprocess.run(
        [*command, "--key", str(key)], capture_output=True, text=True, cwd=pack.parent
    )
    return done.returncode, json.loads(done.stdout)


def repack(pack, change):
    with zipfile.ZipFile(pack) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    pack.write_bytes(out.getvalue())


def test_the_pack_is_proved_by_the_tool_alone(pack, paths, proposal):
    status, report = verify(pack, paths.public_key)
    assert (status, report["ok"]) == (0, True), report
    assert (report["proposal"], report["digest"]) == (str(proposal.pk), proposal.digest)
    assert (report["outcome"], report["events"]) == ("approved", 4)
    assert [(d["role"], d["decision"], d["rationale"]) for d in report["decisions"]] == [
        ("validator", "approve", WHY),
        ("risk_manager", "approve", WHY),
    ]


def test_the_same_proposal_gives_the_same_bytes(pack, proposal):
    assert selectors.evidence_pack(proposal) == pack.read_bytes()


def edit(name, old, new):
    def change(files):
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def drop_event(files):
    del files["events/0001.json"]


def rename_vote(files):
    row = json.loads(files["events/0001.json"])
    row["leaf_data"] = row["leaf_data"].replace(b"approve".hex(), b"abstain".hex())
    files["events/0001.json"] = json.dumps(row).encode()


def move_leaf(files):
    row = json.loads(files["events/0000.json"])
    row["leaf_index"] += 1
    files["events/0000.json"] = json.dumps(row).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit("content.json", b"1.4", b"2.4"), "content.json is not what was proposed"),
        (edit("proposal.json", b'"approved"', b'"rejected"'), "proposal.json says rejected"),
        (edit("checkpoint.txt", b"quantsite/audit\n", b"other/audit\n"), "checkpoint"),
        (drop_event, "was approved by 1 only"),
        (rename_vote, "is not what the ledger holds"),
        (move_leaf, "is not what the ledger holds"),
    ],
)
def test_a_changed_pack_is_refused(change, words, pack, paths):
    repack(pack, change)
    status, report = verify(pack, paths.public_key)
    assert status == 1, report
    assert words in report["problem"]


def test_a_pack_under_another_key_is_refused(pack, tmp_path, settings):
    key = sequencing.load_key(tmp_path / "key", may_create=True)
    other = tmp_path / "other"
    other.write_text(chain.verifier_key(settings.AUDIT_ORIGIN, key.public_key()))
    status, report = verify(pack, other)
    assert (status, report["problem"]) == (1, "the checkpoint is not signed by this key")


def test_what_is_no_pack_is_told(pack, paths, tmp_path):
    nonsense = tmp_path / "nonsense.zip"
    nonsense.write_bytes(b"nonsense")
    assert verify(nonsense, paths.public_key)[0] == 2
    assert verify(tmp_path / "absent.zip", paths.public_key)[0] == 2
    assert verify(pack, nonsense)[0] == 2


def test_an_auditor_exports_it_and_others_may_not(pack, proposal, api_as, other_team, client_as):
    place = f"/api/v1/proposals/{proposal.pk}/evidence"
    answer = api_as("auditor").get(place)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer.content == pack.read_bytes()
    assert api_as("validator").get(place).status_code == 403
    assert api_as("auditor", other_team).get(place).status_code == 404
    assert (
        "Evidence pack" in client_as("auditor").get(f"/approvals/{proposal.pk}/").content.decode()
    )
