"""The report for print: what stands in it, that it is always the same bytes."""

import io
from pathlib import Path

import pytest

from apps.risk.kernel import paper
from apps.risk.kernel.paper import drawings, words
from tests.factories import papers

pypdf = pytest.importorskip("pypdf")
FOLDER = Path(__file__).parents[3] / "static" / "fonts"
FONTS = {name: (FOLDER / file).read_bytes() for name, file in paper.FACES.items()}
NOTHING = {"why_not": "There is nothing to tell."}


def render(**more):
    made = paper.render(papers.body(**more), team="Team one", fonts=FONTS)
    reader = pypdf.PdfReader(io.BytesIO(made.content))
    text = "\n".join(page.extract_text() for page in reader.pages)
    return made, reader, " ".join(text.replace("\u00a0", " ").split())


def test_every_figure_can_be_read_back():
    made, reader, text = render()
    told = (
        "Risk of Paper <One> & Two", "Team one", "2024-03-04 00:00 UTC", "123 456.78 USD",
        "90.00 % gross, \u221210.00 % net, 2 positions", "fhs, yellow", "ab" * 32,
        "1.23 % 0.11 % 2.34 % \u2013 2.23 % 0.11 % 3.34 %", "1) A note.", "garch: Too few.",
        "No volumes of A.", "10 exceptions in 60 bars at 99 %",
        "The parts sum to the book's VaR 2.00 %", "ES 4.00 %", "Lehman and after",
        "34.5 % 40.0 % 5.0 % 75 %", "1 without prices of those days.",
        "Oil falls, version 2 11.1 % 100 %",
        "set of the lab's defaults", "Positions held 2 20", "Emergency stop of account:7: ok",
        "fhs (in force) yellow 9 2.5 yellow 9 2.5 yellow", "limit.rate 3", "Too fast.",
    )  # fmt: skip
    assert [one for one in told if one not in text] == []
    assert len(reader.pages) == made.pages
    for number, page in enumerate(reader.pages, start=1):
        assert f"page {number} of {made.pages}" in page.extract_text().replace("\u00a0", " ")


def test_the_same_figures_make_the_same_bytes_and_others_do_not():
    first = render()[0].content
    assert render()[0].content == first
    assert render(equity=123456.79)[0].content != first


def test_it_is_a4_with_its_type_faces_and_its_digest_inside():
    _, reader, _ = render()
    assert reader.metadata["/Subject"] == f"digest of inputs {'ab' * 32}"
    for page in reader.pages:
        assert [round(float(one)) for one in page.mediabox[2:]] == [595, 842]
        assert not page.images, "charts are vectors"
        for font in page["/Resources"]["/Font"].values():
            described = font.get_object().get("/FontDescriptor")
            # Helvetica is named by the library on every page, and used for nothing.
            if described is None:
                assert font.get_object()["/BaseFont"] == "/Helvetica"
            else:
                assert "/FontFile2" in described.get_object()


def test_what_is_not_there_is_said():
    empty = {
        "fan": {"method": "fhs", "horizons": [], "lines": [], **NOTHING},
        "exceptions": {"ts": [], **NOTHING},
        "components": {"method": "historical", "level": 0.99, "positions": [], **NOTHING},
        "stress": {"crises": [], "scenarios": [], **NOTHING},
        "limits": {"rows": [], "off": [], "set_for": "the team, version 1", "strategies": []},
        "stops": [],
        "breaches": {"counts": [], "rows": []},
        "grades": {"models": [], "in_force": "historical", "colour": "", "reason": "", "days": 0},
    }
    text = render(**empty)[2]
    assert text.count(NOTHING["why_not"]) == 4
    for told in ("historical, not graded", "No model was graded", "Nothing was refused."):
        assert told in text


def test_signs_the_face_lacks_are_shown_as_such():
    assert "Risk of ????? 7" in render(title="\u041a\u043d\u0438\u0433\u0430 7")[2]


def test_many_positions_are_gathered():
    part = {"component_var": 0.001, "component_es": 0.002, "alone_es": 0.01, "incremental_es": 0.0}
    rows = [{"name": f"S{i}", "weight": 0.01, **part} for i in range(40)]
    shown = drawings.shown_parts(rows)
    assert [shown[-1]["name"], len(shown)] == ["25 more", 16]
    assert sum(row["component_es"] for row in shown) == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "12.35\u00a0%"),
        (-0.5, "\u221250.00\u00a0%"),
        (-1e-9, "0.00\u00a0%"),
        (None, "\u2013"),
    ],
)
def test_figures_on_paper(value, text):
    assert words.percent(value) == text


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.031, 0.012), (-5e-4, 0.0), (0.0, 0.0)])
def test_steps_are_round_and_within(low, high):
    found = drawings.steps(low, high)
    assert all(low - 1e-9 <= one <= high + 1e-9 for one in found)
    assert 1 <= len(found) <= 7
