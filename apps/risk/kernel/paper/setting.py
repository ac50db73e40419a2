"""Paragraphs and tables in the house's type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.risk.kernel.paper.drawings import INK, LINE, MUTED
from apps.risk.kernel.paper.words import safe

SIZES = {"title": (19, 24), "head": (10.5, 14), "body": (8, 11), "small": (6.8, 9.2)}
# A table with more rows goes over the page, one with fewer stays whole.
WHOLE_ROWS = 18


class Setter:
    """Sets words and tables over a width; ``known`` are the signs that the face has."""

    def __init__(self, width: float, known: frozenset[int]) -> None:
        from reportlab.lib.colors import HexColor
        from reportlab.lib.styles import ParagraphStyle

        self.width, self.known = width, known
        self.styles = {
            name: ParagraphStyle(
                name,
                fontName="Inter-SemiBold" if name in ("title", "head") else "Inter",
                fontSize=size,
                leading=leading,
                textColor=HexColor(MUTED if name == "small" else INK),
                spaceBefore=10 if name == "head" else 0,
                spaceAfter=3,
                keepWithNext=name == "head",
            )
            for name, (size, leading) in SIZES.items()
        }
        self.styles["num"] = ParagraphStyle(
            "num", parent=self.styles["body"], fontName="JetBrainsMono", fontSize=7, alignment=2
        )

    def words(self, text: Any, style: str = "body") -> Any:
        """Return a paragraph."""
        from reportlab.platypus import Paragraph

        return Paragraph(safe(text, self.known), self.styles[style])

    def head(self, text: str) -> Any:
        """Return a heading."""
        return self.words(text, "head")

    def space(self, points: float = 6.0) -> Any:
        """Return empty room."""
        from reportlab.platypus import Spacer

        return Spacer(0, points)

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[Any]],
        widths: Sequence[float],
        *,
        right: Sequence[int] = (),
        bold: Sequence[int] = (),
    ) -> Any:
        """Return a table; ``widths`` are shares, ``right`` the columns of figures."""
        from reportlab.lib.colors import HexColor
        from reportlab.platypus import Table, TableStyle

        first = [self._cell(word, i in right, "small") for i, word in enumerate(heads)]
        body = [[self._cell(c, i in right, "") for i, c in enumerate(row)] for row in rows]
        total = sum(widths)
        made = Table(
            [first, *body],
            colWidths=[self.width * share / total for share in widths],
            repeatRows=1,
            splitByRow=1,
        )
        look: list[Any] = [
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ("TOPPADDING", (0, 0), (-1, -1), 1.6),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6),
            ("LINEBELOW", (0, 0), (-1, 0), 0.7, HexColor(MUTED)),
            ("LINEBELOW", (0, 1), (-1, -1), 0.3, HexColor(LINE)),
        ]
        look += [("BACKGROUND", (0, i + 1), (-1, i + 1), HexColor("#eef2fb")) for i in bold]
        made.setStyle(TableStyle(look))
        return made

    def _cell(self, cell: Any, is_figure: bool, style: str) -> Any:
        if not isinstance(cell, str):
            return cell
        if style:
            return self._head_cell(cell, is_figure)
        return self.words(cell, "num" if is_figure else "body")

    def _head_cell(self, text: str, is_figure: bool) -> Any:
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.platypus import Paragraph

        side = 2 if is_figure else 0
        style = ParagraphStyle("of a column", parent=self.styles["small"], alignment=side)
        return Paragraph(safe(text, self.known), style)

    def whole(self, parts: Sequence[Any]) -> Any:
        """Return parts that stay on one page."""
        from reportlab.platypus import KeepTogether

        return KeepTogether(list(parts))
