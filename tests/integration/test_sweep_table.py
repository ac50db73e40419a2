"""The table of a sweep: sorted by any figure, filtered, paged; studies and families."""

import pytest

from apps.backtests.models import Sweep, Trial
from apps.backtests.selectors.sweeps import COLUMNS
from apps.strategies.services import ensure_version

pytestmark = pytest.mark.django_db
N = 500


@pytest.fixture
def sweep(team, actor, now):
    """A sweep of which every seventh combination was refused."""
    version = ensure_version(actor=actor("researcher"), name="sma_crossover", params={}, now=now)
    row = Sweep.objects.create(
        team=team,
        version_id=version.id,
        title="Table",
        strategy="sma_crossover",
        method="grid",
        objective="sharpe",
        trials=N,
        lanes=1,
        status="done",
        done=N - 72,
        refused=72,
        created_by="x",
        created_at=now,
        space={"fast": list(range(25)), "slow": list(range(20))},
        request={"universe": "", "instruments": ["AAPL"], "start": None, "end": None},
    )
    Trial.objects.bulk_create(
        Trial(
            sweep=row,
            number=n,
            status="refused" if n % 7 == 0 else "done",
            params={"fast": n // 20, "slow": n % 20},
            error={"message": "no", "code": "x"} if n % 7 == 0 else None,
            **({} if n % 7 == 0 else dict.fromkeys(COLUMNS, (n * 37) % 101)),
        )
        for n in range(N)
    )
    return row


def read_all(rest, path):
    rows, cursor = [], ""
    while cursor is not None:
        found = rest.get(f"{path}&limit=100{f'&cursor={cursor}' if cursor else ''}").json()
        rows += found["items"]
        cursor = found["next"]
    return rows


@pytest.mark.parametrize("name", COLUMNS)
def test_every_figure_sorts_both_ways_and_pages_meet(sweep, api_as, name):
    rest = api_as("viewer")
    for sign, turned in (("", False), ("-", True)):
        rows = read_all(rest, f"/api/v1/sweeps/{sweep.pk}/trials?sort={sign}{name}")
        assert sorted(row["number"] for row in rows) == list(range(N))
        known = [row[name] for row in rows if row["status"] == "done"]
        assert known == sorted(known, reverse=turned)
        assert {row["status"] for row in rows[len(known) :]} == {"refused"}


def test_combinations_are_filtered_by_parameter_and_state(sweep, api_as, client_as):
    rest, path = api_as("viewer"), f"/api/v1/sweeps/{sweep.pk}/trials"
    found = read_all(rest, f"{path}?params=fast%3D3")
    assert sorted(row["number"] for row in found) == list(range(60, 80))
    one = read_all(rest, f"{path}?params=fast%3D3%2C%20slow%3D5")
    assert [row["number"] for row in one] == [65]
    assert len(read_all(rest, f"{path}?status=refused")) == 72
    for bad in ("moon%3D3", "fast", "fast%3E3"):
        refused = rest.get(f"{path}?params={bad}")
        assert (refused.status_code, refused.json()["code"]) == (422, "trials.params")
    page = client_as("viewer").get(f"/research/sweeps/{sweep.pk}/?params=fast%3D3&status=done")
    assert page.status_code == 200
    assert page.content.count(b"data-number=") == 17
    none = client_as("viewer").get(f"/research/sweeps/{sweep.pk}/?params=fast%3D99")
    assert b"None of these" in none.content


def test_families_count_every_combination(sweep, api_as, client_as, other_team):
    rest = api_as("researcher")
    (family,) = rest.get("/api/v1/families").json()
    assert (family["strategy"], family["trials"], family["combinations"]) == (
        "sma_crossover",
        N,
        N,
    )
    rest.post("/api/v1/studies", {"name": "q1", "title": "First"}, content_type="application/json")
    page = client_as("viewer").get("/research/studies/").content.decode()
    assert "First" in page
    assert "sma crossover" in page
