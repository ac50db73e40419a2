"""The errors of the lab: each says what was found, what was expected and what to do."""

from __future__ import annotations


class LabError(Exception):
    """An error a person can act on.

    Parameters
    ----------
    message
        What was found, what was expected and what to do.
    code
        Stable, dotted, lower case; clients may rely on it.
    details
        JSON-ready facts about the error, such as the field at fault.
    """

    status = 500
    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, details: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.details = details or {}


class Invalid(LabError):
    """The request can't be carried out as it is; correct it."""

    status = 422
    code = "invalid"


class NotFound(LabError):
    """There is no such thing, or it belongs to another team."""

    status = 404
    code = "not_found"


class Unauthenticated(LabError):
    """Nobody has signed in, or the token is no longer good."""

    status = 401
    code = "unauthenticated"


class Denied(LabError):
    """The actor may not do this."""

    status = 403
    code = "denied"


class Conflict(LabError):
    """The thing has changed or is in a state that forbids this."""

    status = 409
    code = "conflict"


class Unavailable(LabError):
    """A passing fault: the same request may go through later."""

    status = 503
    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float = 5.0,
        code: str | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code, details=details)
        self.retry_after = retry_after


class TooMany(Unavailable):
    """More requests than the limit allows; wait."""

    status = 429
    code = "rate_limited"
