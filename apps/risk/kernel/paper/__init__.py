"""A book's risk as a PDF for print: plain JSON in, the same bytes out every time."""

from apps.risk.kernel.paper.document import FACES, Pdf, bound, render

__all__ = ["FACES", "Pdf", "bound", "render"]
