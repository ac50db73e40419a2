"""The peer of ``api_list_200``: the same list by ORM and schema, the token checked by ORM."""

import hashlib
import os
from datetime import datetime

from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.speed.peer_settings")
application = get_asgi_application()

from ninja import Field, NinjaAPI, Schema  # noqa: E402
from ninja.security import HttpBearer  # noqa: E402

from apps.accounts.models import Token  # noqa: E402
from apps.market.models import Instrument  # noqa: E402


class Bearer(HttpBearer):
    """A token looked up by its hash."""

    def authenticate(self, _request, token):
        digest = hashlib.sha256(token.encode()).hexdigest()
        return Token.objects.select_related("user", "team").filter(digest=digest).first()


class SeriesOut(Schema):
    """Bars of one timeframe."""

    timeframe: str
    rows: int
    first: datetime | None = Field(alias="first_at")
    last: datetime | None = Field(alias="last_at")
    health: float | None

    @staticmethod
    def resolve_health(row):
        return row.health.get("score")


class InstrumentOut(Schema):
    """The fields the lab's list has."""

    id: int
    symbol: str
    name: str
    kind: str
    currency: str
    venue: str
    sector: str
    dataset: str
    shared: bool
    series: list[SeriesOut]

    @staticmethod
    def resolve_dataset(row):
        return row.dataset.name

    @staticmethod
    def resolve_shared(row):
        return row.dataset.team_id is None

    @staticmethod
    def resolve_series(row):
        return row.series.all()


api = NinjaAPI(auth=Bearer())


@api.get("/instruments", response=list[InstrumentOut])
def instruments(request, limit: int = 200):
    rows = Instrument.objects.select_related("dataset").prefetch_related("series")
    return rows.order_by("symbol", "id")[:limit]


urlpatterns = [path("api/", api.urls)]
