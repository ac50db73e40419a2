"""What can go wrong with the ledger itself."""

from __future__ import annotations

from apps.core.errors import LabError


class LedgerDamaged(LabError):
    """The ledger is not what was signed: stop, keep everything, look with ``verify_audit``."""

    code = "audit.damaged"

    def __init__(self, what: str) -> None:
        message = (
            f"The audit ledger is damaged: {what}. Nothing more is signed; run manage.py "
            "verify_audit, keep a copy of the database, and restore from a backup."
        )
        super().__init__(message, code=self.code)
