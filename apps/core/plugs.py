"""Plugs are lines in a settings table: name -> dotted class and options, loaded on first use."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.errors import NotFound


@cache
def load_plug(table: str, name: str) -> Any:
    """Return the plug ``name`` of the settings table ``table``, made once per process.

    Raises ``NotFound`` when the table has no such line.
    """
    lines: dict[str, dict[str, Any]] = getattr(settings, table)
    if name not in lines:
        known = ", ".join(sorted(lines))
        raise NotFound(f"{table} has no {name!r}; known are: {known}.", code="plug.unknown")
    line = lines[name]
    return import_string(line["CLASS"])(**line.get("OPTIONS", {}))


def list_plugs(table: str) -> list[str]:
    """Return the names in the settings table ``table``, in its order."""
    return list(getattr(settings, table))
