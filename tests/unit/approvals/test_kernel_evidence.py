"""Evidence is arranged for reading, and its links stay inside the lab."""

import pytest

from apps.approvals.kernel.evidence import arrange, is_inside, place_of


def test_evidence_is_sorted_into_parts():
    view = arrange(
        {
            "metrics": {"sharpe": 1.5, "in_sample": {"cagr": 0.1}},
            "params": {"fast": 10, "symbols": ["A", "B"], "short": False},
            "run": "abc",
            "note": None,
        },
        "version:7",
    )
    assert [(r.name, r.value, r.is_number) for r in view.metrics] == [
        ("in_sample.cagr", 0.1, True),
        ("sharpe", 1.5, True),
    ]
    assert [(r.name, r.value) for r in view.parameters] == [
        ("fast", 10),
        ("short", "no"),
        ("symbols", "A, B"),
    ]
    assert [(r.name, r.value) for r in view.facts] == [("note", ""), ("run", "abc")]
    assert [link.href for link in view.links] == ["/strategies/versions/7/", "/research/abc/"]


@pytest.mark.parametrize(
    "href",
    ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "", None, 3],
)
def test_links_out_of_the_lab_are_dropped(href):
    assert not is_inside(href)
    assert arrange({"links": [{"href": href}, "text"]}, "thing:1").links == ()


def test_a_given_link_is_kept_once():
    evidence = {"links": [{"label": "The run", "href": "/research/abc/"}], "run": "abc"}
    assert [(x.label, x.href) for x in arrange(evidence, "thing:1").links] == [
        ("The run", "/research/abc/")
    ]


@pytest.mark.parametrize("subject", ["version:../../x", "version:", "version", "nothing:1"])
def test_odd_subjects_have_no_place(subject):
    assert place_of(subject) == ""


def test_evidence_that_is_not_as_expected_is_shown_as_nothing():
    view = arrange({"metrics": [1, 2], "links": "no"}, "x:1")
    assert view.metrics == ()
    assert view.links == ()


def test_a_day_is_written_as_one_and_guard_and_study_are_parts_of_their_own():
    shown = arrange(
        {
            "facts": {"from": "2010-01-04T00:00:00.000000", "at": "2010-01-04T00:01:00"},
            "guard": {"passes": True},
            "study": {"sweep": "7"},
        },
        "order:1",
    )
    assert {row.name: row.value for row in shown.facts} == {
        "from": "2010-01-04",
        "at": "2010-01-04T00:01:00",
    }
    assert (shown.guard, shown.study) == ({"passes": True}, {"sweep": "7"})
