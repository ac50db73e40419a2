"""Combinatorial purged CV through the doors: worked, counted once each, priced, shown."""

from datetime import date

import pytest

from apps.backtests import services
from apps.backtests.models import TrialEntry, TrialStream
from apps.backtests.selectors import trials
from apps.backtests.selectors import validations as reads
from apps.core import jobs
from apps.core.errors import Conflict
from apps.core.models import Job
from tests.integration.test_validations import REQUEST, SPACE

PLAN = {"groups": 6, "test_groups": 2, "purge": 5, "embargo": 3}


@pytest.fixture
def ask(sample, actor, now):
    """A function that asks for a validation and works it."""

    def asked(request=None, **changes):
        given = {"space": SPACE, "plan": PLAN, "kind": "purged", **changes}
        body = {**REQUEST, **(request or {})}
        row, job = services.create_validation(actor=actor(), request=body, now=now, **given)
        work(job.pk, now)
        row.refresh_from_db()
        return row

    return asked


def work(job_id, now):
    jobs.execute(str(job_id), services.run_validation, worker="w", now=lambda: now)


def test_every_combination_is_counted_once_and_the_digest_stays(ask, team, actor, now):
    row = ask()
    assert row.status == "done", row.error
    result = row.result
    assert (len(result["splits"]), len(result["paths"])) == (15, 5)
    assert row.sharpe == pytest.approx(sum(path["sharpe"] for path in result["paths"]) / 5)
    counted = TrialEntry.objects.filter(team_id=team.pk)
    assert set(counted.values_list("door", "trials")) == {("purged", 1)}
    assert counted.count() == row.trials == 4
    kept = TrialStream.objects.filter(team_id=team.pk).values_list("subject", flat=True)
    assert set(kept) == set(counted.values_list("subject", flat=True))
    (family,) = trials.list_family_rows(team_id=team.pk)
    assert (family["trials"], family["purged"]) == (4, 4)
    assert reads.validation_detail(row)["significance"]["trials"] == 4
    assert ask().digest == row.digest
    assert ask(plan={**PLAN, "purge": 0}).digest != row.digest
    held = services.mark_holdout(
        actor=actor(), family_id=family["id"], start=date(2020, 7, 1), now=now
    )
    assert set(held.looks.values_list("looks", flat=True)) == {4}
    with pytest.raises(Conflict) as priced:
        ask()
    assert priced.value.code == "holdout.confirm"


@pytest.mark.usefixtures("sample")
def test_over_rest_and_on_its_page(api_as, client_as, now):
    client = api_as("researcher")
    body = {**REQUEST, "kind": "purged", "space": SPACE, "plan": PLAN}
    made = client.post("/api/v1/validations", body, content_type="application/json")
    assert made.status_code == 202, made.content
    work(Job.objects.get(pk=made.json()["job"]["id"]).pk, now)
    place = f"/api/v1/validations/{made.json()['id']}"
    found = client.get(place).json()
    assert found["status"] == "done"
    assert found["result"]["path_sharpes"]["mean"] == found["sharpe"]
    for name in ("paths", "sharpes", "splits", "degradation"):
        assert client.get(f"{place}/figures/{name}").json()["data"], name
    assert client.get(f"{place}/figures/curve").status_code == 404
    curves = client.get(f"{place}/curve").json()
    assert [path["number"] for path in curves["paths"]] == [1, 2, 3, 4, 5]
    lines = client.get(f"{place}/folds/export").content.decode().splitlines()
    assert lines[1].startswith("split,tested,train_bars,fast,slow,score")
    assert len(lines) == 17
    for plan, field in (
        ({"groups": 1}, "plan.groups"),
        ({"groups": 6, "purge": 400}, "plan.purge"),
    ):
        bad = client.post(
            "/api/v1/validations", {**body, "plan": plan}, content_type="application/json"
        )
        assert bad.status_code == 422
        assert field in str(bad.json())
    page = client_as("viewer").get(f"/research/validations/{made.json()['id']}/").content.decode()
    assert 'id="paths"' in page
    assert "figures/paths" in page
