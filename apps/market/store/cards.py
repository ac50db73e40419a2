"""The lines under which instruments appear in lists, made by the database."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection


def write_cards(instrument_ids: Sequence[int]) -> None:
    """Write the lines under which instruments appear in lists anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE market_instrument SET card = market_instrument_card(id) WHERE id = ANY(%s)",
            [list(instrument_ids)],
        )
