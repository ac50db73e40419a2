"""An approval is bound to everything that was seen."""

import json

import pytest

from apps.approvals.kernel.digest import FIRST, FORMATS, finite, is_digest, proposal_digest

CONTENT = {
    "kind": "promotion",
    "subject": "version:1",
    "subject_digest": "a" * 64,
    "title": "To paper",
    "target_stage": "paper",
    "tier": 1,
    "rationale": "It held out of sample.",
    "evidence": {"metrics": {"sharpe": 1.25, "big": 1e22}},
    "gates": [],
    "id": "7d1f0c52-3c1e-4a52-9a29-0f6d1f7a53c1",
    "team_id": 3,
    "author": "user:7",
    "terms": {"account": 1, "capital_usd": 10_000},
    "expires_at": "2026-01-19T12:00:00+00:00",
}


@pytest.mark.parametrize("name", sorted(CONTENT))
def test_every_part_counts(name):
    changed = {
        **CONTENT,
        name: {"kind": "code", "tier": 2, "evidence": {}, "gates": [{}]}.get(name, "x"),
    }
    assert proposal_digest(changed) != proposal_digest(CONTENT)
    is_of_first = name in FORMATS[FIRST]
    assert (proposal_digest(changed, FIRST) != proposal_digest(CONTENT, FIRST)) == is_of_first


def test_digests_of_the_first_form_are_what_they_were():
    # Taken of this content by the code before there was a second form.
    found = "578fdc7f4d934a543fb01034f5c067095e362393ff315844a0f4229c84ceb453"
    assert proposal_digest(CONTENT, FIRST) == found


def test_evidence_digests_alike_after_json():
    # PostgreSQL gives large floats back as whole numbers, as this round trip does.
    stored = json.loads(json.dumps(CONTENT).replace("1e+22", "10000000000000000000000"))
    assert isinstance(stored["evidence"]["metrics"]["big"], int)
    assert proposal_digest(stored) == proposal_digest(CONTENT)


def test_what_json_lacks_becomes_null():
    assert finite({"a": [float("nan"), float("-inf"), 1.5], 2: (True,)}) == {
        "a": [None, None, 1.5],
        "2": [True],
    }


@pytest.mark.parametrize("text", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 65])
def test_other_texts_are_no_digests(text):
    assert not is_digest(text)
    assert is_digest("0123456789abcdef" * 4)
