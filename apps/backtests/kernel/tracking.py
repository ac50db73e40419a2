"""The address of a tracking server: read, and refused where runs would leave unencrypted."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from apps.core.errors import Invalid

HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, and what opens it; ``base`` is free of secrets."""

    base: str
    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def read_address(
    uri: str, *, token: str = "", user: str = "", password: str = "", in_the_clear: bool = False
) -> Address:
    """Return the address that ``MLFLOW_TRACKING_URI`` names.

    Raises
    ------
    Invalid
        ``mlflow.address`` for what is no server, ``mlflow.clear`` for one on another machine that
        would be spoken to without TLS.
    """
    parts = urlsplit(uri.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = (
            f"MLFLOW_TRACKING_URI has the scheme {parts.scheme or 'none'!r}; the address "
            "of a server is expected, such as https://mlflow.example.org."
        )
        raise Invalid(message, code="mlflow.address")
    if parts.scheme == "http" and parts.hostname not in HERE and not in_the_clear:
        message = (
            f"MLFLOW_TRACKING_URI names {parts.hostname} by http://, in the clear. Use https, "
            "or set MLFLOW_IN_THE_CLEAR=1 in a trusted network."
        )
        raise Invalid(message, code="mlflow.clear")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    base = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
    return Address(
        base,
        token,
        user or unquote(parts.username or ""),
        password or unquote(parts.password or ""),
    )
