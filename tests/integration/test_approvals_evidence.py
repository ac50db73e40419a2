"""The evidence pack convinces somebody who has only the pack, the tool and the key."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import transaction

from apps.approvals import selectors, services
from apps.approvals.services import evidence
from apps.audit.kernel import chain, witness
from apps.audit.kernel.pack import MANIFEST, SEAL, SEAL_HEAD, make_manifest, zip_files
from apps.audit.models import AuditEvent
from apps.audit.services import packing, record
from apps.audit.services import sequencer as sequencing
from apps.core import clock, tenancy
from apps.core.actors import system
from apps.core.errors import Denied, Invalid, Unavailable
from apps.core.kernel.hashing import canonical_json
from tests.factories import ledger, signing

ROOT = Path(__file__).parents[2]
WHY = "It held out of sample and survives the costs."
STUDY = b'{"sweep":"s1"}\n{"number":0,"score":0.4}\n{"number":1,"score":0.9}\n'


@pytest.fixture(autouse=True)
def _nothing_follows(settings):
    """The subjects here are only names: no stage moves, no run speaks for them."""
    settings.DECISION_EFFECTS = {}
    settings.EVIDENCE_SOURCES = {}
    settings.EVIDENCE_FILES = {}


@pytest.fixture
def paths(servers, settings):
    found = ledger.paths_of(servers, settings)
    yield found
    found.witness.unlink(missing_ok=True)


@pytest.fixture
def placing(servers, settings, paths, monkeypatch):
    """The sequencer works while somebody waits for it."""

    def place():
        ledger.place_all(servers, settings, paths)

    monkeypatch.setattr(packing, "_pause", place)
    return place


@pytest.fixture
def proposal(live_db, actor, team, now, monkeypatch):
    rests_on = {"artifacts/study.jsonl": STUDY}
    monkeypatch.setattr(evidence, "_artifacts", lambda _: ([], rests_on))
    made = services.propose(
        actor=actor("researcher"),
        kind="promotion",
        subject="version:1",
        title="Momentum to paper",
        digest="a" * 64,
        evidence={
            "metrics": {"sharpe": 1.4, "trades": 120, "volume": 1e22},
            "probe_passed": True,
            "deflated_sharpe": 0.99,
            "run": "r1",
            "study": {"sweep": "s1", "digest": sha256(STUDY).hexdigest()},
        },
        rationale=WHY,
        target_stage="paper",
        tier=2,
        now=now,
    )
    for role in ("validator", "risk_manager"):
        signing.decide(actor(role), made, now)
    return selectors.get_proposal(made.pk, team.pk)


@pytest.fixture
def pack(proposal, placing, actor, now, tmp_path):
    auditor = actor("auditor")
    data, _ = services.export_evidence(actor=auditor, proposal_id=proposal.pk, now=now)
    path = tmp_path / "pack.zip"
    path.write_bytes(data)
    return path


def test_a_pack_waits_for_the_sequencer_and_says_so(proposal, actor, now, monkeypatch):
    monkeypatch.setattr(packing, "WAIT_SECONDS", 0.1)
    with pytest.raises(Unavailable, match="still waits"):
        services.export_evidence(actor=actor("auditor"), proposal_id=proposal.pk, now=now)


def verify(pack, key):
    command = [sys.executable, str(ROOT / "tools" / "verify_evidence.py"), str(pack)]
    done = subprocess.run(
        [*command, "--key", str(key)], capture_output=True, text=True, cwd=pack.parent
    )
    return done.returncode, json.loads(done.stdout)


def tool():
    """The tool as a module, for tests that ask it thousands of times."""
    spec = importlib.util.spec_from_file_location("tool", ROOT / "tools" / "verify_evidence.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files_of(pack):
    with zipfile.ZipFile(pack) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repack(pack, change, *, manifest=True):
    """Zip the files again after a change, the manifest made to fit them as a forger would."""
    files = files_of(pack)
    change(files)
    if manifest:
        told = json.loads(files[MANIFEST])
        rest = {n: d for n, d in files.items() if n not in {MANIFEST, SEAL, SEAL_HEAD}}
        files[MANIFEST] = make_manifest(told["kind"], told["about"], rest)
    pack.write_bytes(zip_files(files))


def test_the_pack_is_proved_by_the_tool_alone(pack, paths, proposal):
    status, report = verify(pack, paths.public_key)
    assert (status, report["ok"]) == (0, True), report
    assert (report["proposal"], report["digest"]) == (str(proposal.pk), proposal.digest)
    assert (report["outcome"], report["events"]) == ("approved", 4)
    assert [(d["role"], d["decision"], d["rationale"]) for d in report["decisions"]] == [
        ("validator", "approve", WHY),
        ("risk_manager", "approve", WHY),
    ]


def test_taking_a_pack_is_recorded_with_what_it_holds(pack, proposal, actor, team, now):
    event = AuditEvent.objects.filter(team_id=team.pk, action="evidence.sealed").latest("at")
    files = files_of(pack)
    assert event.content["manifest"] == sha256(files[MANIFEST]).hexdigest()
    assert event.content["about"]["proposal"] == str(proposal.pk)
    assert zip_files(files) == pack.read_bytes()
    with pytest.raises(Denied):
        services.export_evidence(actor=actor("trader"), proposal_id=proposal.pk, now=now)


def test_every_byte_of_the_pack_counts(pack, paths):
    """Bytes of the zip changed, and bytes of files changed with the manifest made to fit."""
    check, key, data = tool(), paths.public_key.read_text(), pack.read_bytes()
    assert check.verify(data, key)[0]["ok"]
    refusals = (check.Wrong, *check.UNREADABLE)

    def refused(changed):
        with pytest.raises(refusals):
            check.verify(changed, key)

    for at in range(0, len(data), 13):
        refused(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    files = files_of(pack)
    for name, content in files.items():
        own = name in {MANIFEST, SEAL, SEAL_HEAD}
        # The head and the seal are proved by themselves: there every bit is tried.
        for at in range(0, len(content), 1 if own else 23):
            for bit in (1, 32) if own else (1,):
                changed = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
                whole = {**files, name: changed}
                if not own:
                    told = json.loads(files[MANIFEST])
                    rest = {n: d for n, d in whole.items() if n not in {MANIFEST, SEAL, SEAL_HEAD}}
                    whole[MANIFEST] = make_manifest(told["kind"], told["about"], rest)
                refused(zip_files(whole))


def test_what_is_cut_off_added_or_stored_otherwise_is_refused(pack, paths, tmp_path):
    check, key, data = tool(), paths.public_key.read_text(), pack.read_bytes()
    files = files_of(pack)
    for changed in (
        data[: len(data) // 2],
        data[:-1],
        data + b"0",
        b"0" + data,
        zip_files({**files, "extra.txt": b""}),
        zip_files({n: d for n, d in files.items() if n != "README.txt"}),
        zip_files({n: d for n, d in files.items() if n != SEAL}),
    ):
        with pytest.raises((check.Wrong, *check.UNREADABLE)):
            check.verify(changed, key)
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(check.Wrong, match="not the one that its files make"):
        check.verify(other.read_bytes(), key)


def edit(name, old, new):
    def change(files):
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def drop_event(files):
    del files["events/00001.json"]


def rename_vote(files):
    row = json.loads(files["events/00001.json"])
    row["leaf_data"] = row["leaf_data"].replace(b"approve".hex(), b"abstain".hex())
    files["events/00001.json"] = canonical_json(row)


def drop_study(files):
    del files["artifacts/study.jsonl"]


def move_leaf(files):
    row = json.loads(files["events/00000.json"])
    row["leaf_index"] += 1
    files["events/00000.json"] = canonical_json(row)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit("content.json", b"1.4", b"2.4"), r"content\.json is not what was proposed"),
        (edit("proposal.json", b'"approved"', b'"rejected"'), r"proposal\.json says rejected"),
        (edit("checkpoint.txt", b"quantsite/audit\n", b"other/audit\n"), "checkpoint"),
        (edit("artifacts/study.jsonl", b"0.4", b"0.3"), "trials that the proposal froze"),
        (drop_study, "trials that the proposal froze"),
        (drop_event, "was approved by 1 only"),
        (rename_vote, "is not what the ledger holds"),
        # Where the tree ends near the leaf, the next one's path has another length.
        (move_leaf, "is not what the ledger holds|the audit path of leaf|is not in a tree of"),
    ],
)
def test_a_changed_pack_is_refused(change, words, pack, paths, monkeypatch):
    repack(pack, change)
    assert verify(pack, paths.public_key)[0] == 1
    # Even for one who could have a seal made for it, the events don't say what the files say.
    check = tool()
    team = json.loads(files_of(pack)[MANIFEST])["about"]["team"]
    monkeypatch.setattr(check, "check_seal", lambda *_: {"team": team, "actor": "x", "leaf": 1})
    with pytest.raises(check.Wrong, match=words):
        check.verify(pack.read_bytes(), paths.public_key.read_text())


@pytest.mark.parametrize(
    ("frozen", "trials", "holds"),
    [
        (None, None, True),
        (None, STUDY, False),
        (sha256(STUDY).hexdigest(), STUDY, True),
        (sha256(STUDY).hexdigest(), None, False),
        (sha256(STUDY).hexdigest(), STUDY + b"\n", False),
    ],
    ids=["no study", "a study nobody froze", "the study", "left out", "a line more"],
)
def test_the_trials_in_a_pack_are_those_that_were_frozen_or_there_are_none(frozen, trials, holds):
    check = tool()
    pack = {} if trials is None else {"artifacts/study.jsonl": trials}
    content = {"evidence": {} if frozen is None else {"study": {"digest": frozen}}}
    if holds:
        check._check_study(pack, content)
        return
    with pytest.raises(check.Wrong, match="trials that the proposal froze"):
        check._check_study(pack, content)


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


def test_an_auditor_exports_it_and_others_may_not(
    pack, paths, proposal, api_as, other_team, client_as
):
    place = f"/api/v1/proposals/{proposal.pk}/evidence"
    answer = api_as("auditor").get(place)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    pack.write_bytes(answer.content)
    assert verify(pack, paths.public_key)[1]["proposal"] == str(proposal.pk)
    assert api_as("validator").get(place).status_code == 403
    assert api_as("auditor", other_team).get(place).status_code == 404
    assert (
        "Evidence pack" in client_as("auditor").get(f"/approvals/{proposal.pk}/").content.decode()
    )


def test_a_pack_of_a_period_holds_the_events_of_the_team(pack, paths, placing, actor, api_as, now):
    auditor = actor("auditor")
    day = {"since": clock.now() - timedelta(days=1), "until": clock.now() + timedelta(days=1)}
    data, _ = packing.export_period(actor=auditor, now=now, **day)
    report, _, _ = tool().verify(data, paths.public_key.read_text())
    assert report["kind"] == "period"
    assert report["events"] >= 5
    far = {"since": day["until"], "until": day["until"]}
    with pytest.raises(Invalid, match="no events"):
        packing.export_period(actor=auditor, now=now, **far)
    with pytest.raises(Denied):
        packing.export_period(actor=actor("viewer"), now=now, **day)
    asked = {name: at.isoformat() for name, at in day.items()}
    answer = api_as("auditor").get("/api/v1/audit/evidence", asked)
    assert tool().verify(answer.content, paths.public_key.read_text())[0]["kind"] == "period"
    assert api_as("viewer").get("/api/v1/audit/evidence", asked).status_code == 403


def test_packs_of_all_teams_leave_no_leaf_of_a_period_out(
    live_db, paths, placing, team, other_team, now
):
    """One pack shows how many leaves are others'; all together show that none is missing."""
    placing()
    began = clock.now()
    for number in (team.pk, other_team.pk, other_team.pk, None):
        with transaction.atomic():
            lab = system("tests", number)
            record(actor=lab, action="a.b", subject="s:1", body={}, now=now)
    placing()
    day = {"since": began, "until": clock.now()}
    with tenancy.scope(tenancy.LAB):
        mine, theirs, labs = (
            packing.export_period(actor=system("tests", number), now=now, **day)[0]
            for number in (team.pk, other_team.pk, None)
        )
    key, checker = paths.public_key.read_text(), tool()
    found = [checker.verify(mine, key, others)[0] for others in ((), (theirs,), (theirs, labs))]
    assert [(one["complete"], one["range"]["others"]) for one in found] == [
        (False, 3),
        (False, 1),
        (True, 0),
    ]
    assert found[0]["range"]["of_this_pack"] == found[0]["events"] == 1


def test_a_range_with_a_leaf_left_out_or_changed_is_refused(
    live_db, paths, placing, actor, team, now
):
    placing()
    with transaction.atomic():
        record(actor=actor("auditor"), action="a.b", subject="s:1", body={}, now=now)
    placing()
    day = {"since": clock.now() - timedelta(days=1), "until": clock.now() + timedelta(days=1)}
    data, _ = packing.export_period(actor=actor("auditor"), now=now, **day)
    checker, pack = tool(), tool().read_pack(data)
    ring = checker.ring_of(paths.public_key.read_text(), pack["keys.txt"].decode())
    size, root = checker.read_checkpoint(pack["checkpoint.txt"].decode(), ring)
    heads = {**checker.check_older(pack, ring, size, root), size: root}
    events = checker.read_events(pack, size, root)
    first, last, _ = checker.read_range(pack, heads, events)
    leaves, told = pack["leaves.bin"], json.loads(pack["range.json"])
    worse = {
        "a leaf less": {"leaves.bin": leaves[:-32]},
        "another leaf": {"leaves.bin": bytes(32) + leaves[32:]},
        "a shorter range": {
            "leaves.bin": leaves[:-32],
            "range.json": canonical_json({**told, "last": last - 1}),
        },
        "a later beginning": {
            "leaves.bin": leaves[32:],
            "range.json": canonical_json({**told, "first": first + 1}),
        },
    }
    for files in worse.values():
        with pytest.raises(checker.Wrong):
            checker.read_range({**pack, **files}, heads, events)


def test_a_witness_of_another_tree_contradicts_the_pack(pack, paths, tmp_path):
    key = sequencing.load_key(paths.key, may_create=False)
    mine = sequencing.load_key(tmp_path / "witness", may_create=True)
    note = files_of(pack)["checkpoint.txt"].decode()
    files = {"note": tmp_path / "note", "key": tmp_path / "witness_key"}
    files["key"].write_text(witness.witness_key("w", mine.public_key()))

    def run(text):
        files["note"].write_text(witness.cosign(text, "w", mine, seconds=1_700_000_000))
        more = ["--witness", str(files["note"]), "--witness-key", str(files["key"])]
        asked = [str(pack), "--key", str(paths.public_key), *more]
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools" / "verify_evidence.py"), *asked],
            capture_output=True,
            text=True,
        )
        return done.returncode, json.loads(done.stdout)

    status, report = run(note)
    assert (status, report["witness"]["at"]) == (0, "2023-11-14T22:13:20+00:00")
    origin, size, _ = note.split("\n")[:3]
    other = chain.sign(chain.Checkpoint(origin, int(size), bytes(32)), key)
    status, report = run(other)
    assert (status, "rewritten" in report["problem"]) == (1, True)
