"""``api_list_200``: a JSON list of 200 rows through the real endpoint, authentication included."""

import json
import subprocess
import sys
from statistics import median

from tests.speed.http_load import load
from tests.speed.site import ROOT, filled_database, site

ROUNDS = 5
ROWS = 200
SECONDS = 2.0
CLIENTS = 16


# The sample alone has fewer instruments than the list asks for.
MORE = f"""
import django; django.setup()
from apps.core import clock
from apps.market import store
from apps.market.models import Dataset, Instrument, Series
made = Dataset.objects.create(
    name="more", title="More", source="bench", calendar="24/7", created_at=clock.now()
)
rows = Instrument.objects.bulk_create(
    Instrument(dataset=made, symbol=f"MORE{{n:03}}", name=f"More {{n}}") for n in range({ROWS})
)
Series.objects.bulk_create(
    Series(instrument=row, timeframe="1d", health={{"score": 90.0}}) for row in rows
)
store.write_cards([row.pk for row in rows])
"""


def add_instruments(environment):
    variables = {**environment, "DJANGO_SETTINGS_MODULE": "quantsite.settings"}
    command = [sys.executable, "-c", MORE]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def compared(lab_body, peer_body):
    """The largest difference between the two answers: 0 when every row is the same."""
    lab = [strip(row) for row in json.loads(lab_body)["items"]]
    peer = [strip(row) for row in json.loads(peer_body)]
    return 0.0 if lab == peer and len(lab) == ROWS else 1.0


def strip(row):
    series = [(one["timeframe"], one["rows"], one["health"]) for one in row["series"]]
    return {**row, "series": series}


def api_list_200():
    with filled_database() as (environment, token):
        add_instruments(environment)
        headers = {"Authorization": f"Bearer {token}"}
        peer_settings = {"DJANGO_SETTINGS_MODULE": "tests.speed.peer_settings"}
        with (
            site(environment, "quantsite.asgi:application", "/health") as lab,
            site(environment, "tests.speed.peer_site:application", "/", **peer_settings) as peer,
        ):
            return measure(
                lambda: load(
                    lab, "/api/v1/instruments?limit=200", headers, clients=CLIENTS, seconds=SECONDS
                ),
                lambda: load(
                    peer, "/api/instruments?limit=200", headers, clients=CLIENTS, seconds=SECONDS
                ),
            )


def measure(ask_lab, ask_peer):
    ask_lab(), ask_peer()  # warm
    rounds = [(ask_lab(), ask_peer()) for _ in range(ROUNDS)]
    value = median(lab.per_second for lab, _ in rounds)
    peer = median(other.per_second for _, other in rounds)
    lab_p99 = median(lab.p99 for lab, _ in rounds)
    peer_p99 = median(other.p99 for _, other in rounds)
    return {
        "name": "api_list_200",
        "value": round(value, 1),
        "unit": "req/s",
        "peer": "django-ninja, ORM and schema",
        "peer_value": round(peer, 1),
        "ratio": round(value / peer, 2),
        "goal": 5.0,
        "checked": compared(rounds[0][0].body, rounds[0][1].body),
        "p99_ms": round(lab_p99 * 1000, 1),
        "peer_p99_ms": round(peer_p99 * 1000, 1),
        "p99_ratio": round(peer_p99 / lab_p99, 2),
    }
