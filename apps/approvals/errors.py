"""Errors of agreement."""

from __future__ import annotations

from apps.core.errors import Denied


class BadSignature(Denied):
    """A decision without a signature that holds; nothing was decided."""

    code = "signature.bad"
