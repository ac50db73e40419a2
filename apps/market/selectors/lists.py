"""Lists and details for the doors of market."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum

from apps.core.errors import Invalid
from apps.core.plugs import list_plugs, load_plug
from apps.market import store
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.kernel.health import iso
from apps.market.kernel.periods import Moment
from apps.market.models import Batch, Dataset, Instrument, Reader, Series
from apps.market.selectors.locations import find_instrument
from apps.market.selectors.panels import read_panel
from apps.market.selectors.versions import actions_of

PAGE_OF_INSTRUMENTS = """
WITH page AS MATERIALIZED (
    SELECT i.symbol, i.id, i.card FROM market_instrument i
    WHERE i.dataset_id IN (
        SELECT d.id FROM market_dataset d
        WHERE (d.team_id IS NULL OR d.team_id = %(team)s)
          AND (%(dataset)s = '' OR d.name = %(dataset)s))
      AND (i.symbol, i.id) > (%(symbol)s, %(id)s)
      AND (%(kind)s = '' OR i.kind = %(kind)s)
      AND (%(search)s = '' OR i.symbol ILIKE %(like)s OR i.name ILIKE %(like)s)
    ORDER BY i.symbol, i.id LIMIT %(limit)s + 1
), shown AS (SELECT * FROM page ORDER BY symbol, id LIMIT %(limit)s)
SELECT string_agg(coalesce(card, market_instrument_card(id)), ',' ORDER BY symbol, id),
    (SELECT count(*) FROM page),
    (SELECT symbol FROM shown ORDER BY symbol DESC, id DESC LIMIT 1),
    (SELECT id FROM shown ORDER BY symbol DESC, id DESC LIMIT 1)
FROM shown
"""
MAX_ARRAY_BARS = 250_000


@dataclass(frozen=True, slots=True)
class InstrumentView:
    """An instrument with everything its page shows."""

    id: int
    symbol: str
    name: str
    kind: str
    sector: str
    venue: str
    currency: str
    dataset: str
    dataset_title: str
    source: str
    licence: str
    note: str
    calendar: str
    shared: bool
    series: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    batches: list[dict[str, Any]]

    @property
    def notes(self) -> list[str]:
        """What must be known of the dataset, one thing each."""
        return [note for note in self.note.split("\n") if note]


def instruments_json(
    *,
    team_id: int,
    cursor: str = "",
    limit: int = 50,
    dataset: str = "",
    kind: str = "",
    search: str = "",
) -> bytes:
    """Return a page of instruments as JSON bytes, built by the database.

    Raises
    ------
    Invalid
        ``page.cursor``.
    """
    symbol, last_id = _read_cursor(cursor)
    params: dict[str, Any] = {
        "team": team_id,
        "symbol": symbol,
        "id": last_id,
        "limit": limit,
        "dataset": dataset,
        "kind": kind,
        "search": search,
        "like": f"%{search}%",
    }
    with connection.cursor() as db:
        db.execute(PAGE_OF_INSTRUMENTS, params)
        items, found, symbol, last_id = db.fetchone()
    following = f'"{_write_cursor(symbol, last_id)}"' if found > limit else "null"
    return f'{{"items":[{items or ""}],"next":{following}}}'.encode()


def _write_cursor(symbol: str, last_id: int) -> str:
    return base64.urlsafe_b64encode(f"{last_id} {symbol}".encode()).rstrip(b"=").decode()


def _read_cursor(text: str) -> tuple[str, int]:
    if not text:
        return "", 0
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        number, _, symbol = plain.partition(" ")
        return symbol, int(number)
    except (binascii.Error, ValueError, UnicodeDecodeError):
        message = "The cursor is not one of this list; leave it out to read from the start."
        raise Invalid(message, code="page.cursor", details={"field": "cursor"}) from None


def visible_instruments(team_id: int) -> QuerySet[Instrument]:
    """Return the instruments of the team's datasets and of the shared ones."""
    rows = Instrument.objects.filter(Q(dataset__team_id=team_id) | Q(dataset__team=None))
    return rows.select_related("dataset")


def get_instrument(
    *, team_id: int, symbol: str, dataset: str = "", as_of: Moment = None
) -> InstrumentView:
    """Return an instrument; without a dataset the team's own is preferred.

    Parameters
    ----------
    as_of
        Its dividends and splits as they were known at this time; None is now.

    Raises
    ------
    NotFound
        ``symbol.unknown`` with close symbols.
    """
    row = find_instrument(team_id=team_id, symbol=symbol, dataset=dataset)
    series = list(row.series.order_by("id"))
    return InstrumentView(
        id=row.pk,
        symbol=row.symbol,
        name=row.name or row.symbol,
        kind=row.kind,
        sector=row.sector,
        venue=row.venue,
        currency=row.currency,
        dataset=row.dataset.name,
        dataset_title=row.dataset.title,
        source=row.dataset.source,
        licence=row.dataset.licence,
        note=row.dataset.note,
        calendar=row.dataset.calendar,
        shared=row.dataset.team_id is None,
        series=[_series(item) for item in series],
        actions=actions_of(instrument_id=row.pk, as_of=as_of),
        batches=_batches([item.pk for item in series]),
    )


def _series(row: Series) -> dict[str, Any]:
    return {
        "id": row.pk,
        "timeframe": row.timeframe,
        "rows": row.rows,
        "first": row.first_at,
        "last": row.last_at,
        "health": row.health,
        "checked_at": row.checked_at,
    }


def _batches(series_ids: list[int]) -> list[dict[str, Any]]:
    rows = store.rows_by_batch(series_ids)
    return [
        {
            "id": batch.pk,
            "provider": batch.provider,
            "source": batch.source,
            "sha256": batch.sha256,
            "created_at": batch.created_at,
            "created_by": batch.created_by,
            "rows": rows[batch.pk],
        }
        for batch in Batch.objects.filter(pk__in=rows)
    ]


def bars_of(
    *,
    team_id: int,
    symbol: str,
    timeframe: str = "1d",
    start: Moment = None,
    end: Moment = None,
    price_mode: str = "raw",
    dataset: str = "",
    as_of: Moment = None,
) -> Panel:
    """Return the bars of one instrument as a panel of one. Raises as ``read_panel`` does."""
    if not symbol:
        message = "No symbol was given; add ?symbol=AAPL."
        raise Invalid(message, code="panel.no_symbols", details={"field": "symbol"})
    return read_panel(
        team_id=team_id,
        timeframe=timeframe,
        start=start,
        end=end,
        instruments=[symbol],
        price_mode=price_mode,
        dataset=dataset,
        as_of=as_of,
        by_server=True,
    )


def bar_rows(panel: Panel) -> Iterator[dict[str, Any]]:
    """Yield the bars of a panel of one instrument as rows."""
    for row in range(panel.n_bars):
        yield {
            "ts": iso(int(panel.ts[row])),
            **{name: float(getattr(panel, name)[row, 0]) for name in FIELDS},
        }


def bar_arrays(panel: Panel) -> dict[str, Any]:
    """Return the bars of a panel of one instrument as one array per field.

    Raises
    ------
    Invalid
        ``bars.too_many``.
    """
    if panel.n_bars > MAX_ARRAY_BARS:
        message = (
            f"{panel.n_bars:,} bars are too many at once; ask for at most {MAX_ARRAY_BARS:,}."
        )
        raise Invalid(message, code="bars.too_many", details={"field": "start"})
    return {
        "symbol": panel.symbols[0],
        "timeframe": panel.timeframe,
        "price_mode": panel.price_mode,
        "digest": panel.digest,
        "ts": (panel.ts // 1000).tolist(),
        **{name: getattr(panel, name)[:, 0].tolist() for name in FIELDS},
    }


def list_datasets(*, team_id: int) -> list[dict[str, Any]]:
    """Return the team's datasets and the shared ones, with what they hold and how healthy."""
    rows = Dataset.objects.filter(Q(team_id=team_id) | Q(team=None)).annotate(
        n_series=Count("instruments__series"),
        n_instruments=Count("instruments", distinct=True),
        n_rows=Sum("instruments__series__rows"),
        first=Min("instruments__series__first_at"),
        last=Max("instruments__series__last_at"),
    )
    return [
        {
            "id": row.pk,
            "name": row.name,
            "title": row.title,
            "source": row.source,
            "licence": row.licence,
            "calendar": row.calendar,
            "note": row.note,
            "shared": row.team_id is None,
            "series": row.n_series,
            "instruments": row.n_instruments,
            "rows": row.n_rows or 0,
            "first": row.first,
            "last": row.last,
        }
        for row in rows.order_by(F("team_id").asc(nulls_last=True), "id")
    ]


def list_own_datasets(*, team_id: int) -> list[str]:
    """Return the names of the datasets that a team may write."""
    return list(
        Dataset.objects.filter(team_id=team_id).order_by("name").values_list("name", flat=True)
    )


def list_providers() -> list[dict[str, Any]]:
    """Return the providers that ingestion can ask, with their sections."""
    found = []
    for name in list_plugs("MARKET_PROVIDERS"):
        plug = load_plug("MARKET_PROVIDERS", name)
        capabilities = plug.capabilities
        if not capabilities.sections:
            continue
        sections = [plug.section(section) for section in capabilities.sections]
        found.append(
            {
                "name": name,
                "title": capabilities.title,
                "live": capabilities.live,
                "sections": [
                    {
                        "name": section.name,
                        "title": section.title,
                        "timeframe": section.timeframe,
                        "licence": section.licence,
                    }
                    for section in sections
                    if section.universe
                ],
            }
        )
    return found


def list_readers(*, team_id: int, digest: str) -> list[dict[str, Any]]:
    """Return who read the data with this digest."""
    rows = Reader.objects.filter(Q(team_id=team_id) | Q(team=None), digest=digest)
    return [
        {"subject": row.subject, "digest": row.digest, "created_at": row.created_at}
        for row in rows.order_by("-created_at")
    ]
