"""The report as a document: A4, numbered pages, embedded type faces, vectors."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.risk.kernel.paper.sections import sections_of
from apps.risk.kernel.paper.setting import Setter
from apps.risk.kernel.paper.words import moment

# Name of a face: the file that a caller hands in.
FACES = {
    "Inter": "Inter-Regular.ttf",
    "Inter-SemiBold": "Inter-SemiBold.ttf",
    "JetBrainsMono": "JetBrainsMono-Regular.ttf",
}
MARGIN, FOOT = 48.0, 40.0


@dataclass(frozen=True, slots=True)
class Pdf:
    """The bytes, and how many pages they are."""

    content: bytes
    pages: int


def render(body: Mapping[str, Any], *, team: str, fonts: Mapping[str, bytes]) -> Pdf:
    """Return the PDF of a book's risk; the same body, team and fonts make the same bytes.

    Parameters
    ----------
    body
        What ``selectors.summaries.book_summary`` tells, with its digest.
    fonts
        The bytes of the TrueType file of every face of ``FACES``.
    """
    return bound(
        lambda setter: sections_of(body, team, setter),
        about=f"Risk of {body['title']}, {moment(body['as_of'])}",
        author=team,
        subject=f"digest of inputs {body['digest']}",
        digest=str(body["digest"]),
        fonts=fonts,
    )


def bound(
    sections: Callable[[Setter], list[Any]],
    *,
    about: str,
    author: str,
    subject: str,
    digest: str,
    fonts: Mapping[str, bytes],
    keywords: str = "",
) -> Pdf:
    """Return sections as a document; ``about`` and ``digest`` stand at the foot of every page."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    known = _register(fonts)
    made = io.BytesIO()
    document = BaseDocTemplate(
        made,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 8,
        title=about,
        author=author,
        subject=subject,
        keywords=keywords,
        creator="Quantsite",
        invariant=1,
        lang="en",
    )
    frame = Frame(
        MARGIN, MARGIN + 8, A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN - 8,
        leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0,
    )  # fmt: skip
    document.addPageTemplates(PageTemplate(frames=[frame]))
    pages: list[int] = []
    maker = _numbered(about, digest, pages)
    setter = Setter(A4[0] - 2 * MARGIN, known)
    document.build(sections(setter), canvasmaker=maker)
    return Pdf(made.getvalue(), pages[0])


def _register(fonts: Mapping[str, bytes]) -> frozenset[int]:
    """Register the type faces, and return the signs that words may have."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name in FACES:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, io.BytesIO(fonts[name])))
    face = pdfmetrics.getFont("Inter").face
    return frozenset(face.charToGlyph)


def _numbered(about: str, digest: str, pages: list[int]) -> Any:
    """Return a canvas that knows at its end how many pages there are, and writes their feet."""
    from reportlab.lib.colors import HexColor
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 the name is the library's
            self.kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            pages.append(len(self.kept))
            for number, state in enumerate(self.kept, start=1):
                self.__dict__.update(state)
                self._foot(number, len(self.kept))
                super().showPage()
            super().save()

        def _foot(self, number: int, count: int) -> None:
            wide = self._pagesize[0]
            self.setStrokeColor(HexColor("#d9dbe0"))
            self.setLineWidth(0.5)
            self.line(MARGIN, FOOT, wide - MARGIN, FOOT)
            self.setFillColor(HexColor("#6a6d76"))
            self.setFont("Inter", 7)
            self.drawString(MARGIN, FOOT - 11, about)
            self.drawRightString(wide - MARGIN, FOOT - 11, f"page {number} of {count}")
            self.setFont("JetBrainsMono", 6)
            self.drawString(MARGIN, FOOT - 20, f"digest {digest}")

    return Numbered
