"""Keys of providers: checked with the vendor, sealed, write-only, told to nobody."""

import io
import logging

import orjson
import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command

from apps.audit.selectors import list_events
from apps.core import buckets, jobs, secrets
from apps.core.errors import Denied, Invalid, NotFound, Unavailable
from apps.core.models import Job
from apps.core.plugs import load_plug
from apps.market import selectors, services
from apps.market.models import ProviderKey
from apps.market.providers.fmp import FmpProvider
from apps.market.selectors import keys
from tests.servers import vendor
from tests.servers.fmp_server import FmpServer

REST = "/api/v1/provider-keys"
GOOD = FmpServer.key
KEY = GOOD["api_key"]


@pytest.fixture
def fmp(monkeypatch):
    """The vendor, in place of its address in the settings."""
    with vendor.running(FmpServer()) as server:
        plug = FmpProvider(base_url=server.url, timeout=5.0)
        real = load_plug

        def load(table, name):
            return plug if name == "fmp" else real(table, name)

        monkeypatch.setattr(keys, "load_plug", load)
        yield server


@pytest.fixture
def stored(fmp, db, actor, now):
    return services.save_provider_key(actor=actor("admin"), provider="fmp", key=GOOD, now=now)


def test_a_good_key_is_sealed_and_only_its_end_is_known(stored, team):
    row = ProviderKey.objects.get(team=team, provider="fmp")
    assert KEY not in row.sealed
    assert orjson.loads(secrets.unseal(row.sealed)) == GOOD
    assert (stored.hint, stored.status) == (KEY[-4:], "valid")
    assert KEY not in str(stored)


def test_a_wrong_key_is_refused_and_the_one_before_stays(stored, fmp, actor, now, team):
    wrong = {"api_key": "not-the-key-of-anybody"}
    with pytest.raises(Denied) as caught:
        services.save_provider_key(actor=actor("admin"), provider="fmp", key=wrong, now=now)
    assert caught.value.code == "provider.auth"
    assert "not-the-key-of-anybody" not in caught.value.message
    assert selectors.provider_for(team_id=team.pk, name="fmp").key == GOOD


def test_while_the_vendor_is_down_nothing_is_stored(fmp, db, actor, now, team):
    fmp.fault = "broken"
    with pytest.raises(Unavailable):
        services.save_provider_key(actor=actor("admin"), provider="fmp", key=GOOD, now=now)
    assert not ProviderKey.objects.filter(team=team).exists()


@pytest.mark.parametrize(
    "key",
    [{}, {"api_key": ""}, {"api_key": KEY, "more": "x"}, {"api_key": "a\nb: c"}, {"api_key": "ø"}],
)
def test_what_can_be_no_key_is_refused_before_anybody_is_asked(fmp, db, actor, now, key):
    with pytest.raises(Invalid) as caught:
        services.save_provider_key(actor=actor("admin"), provider="fmp", key=key, now=now)
    assert caught.value.code == "provider_key.fields"
    assert fmp.requests == []


def test_a_key_is_replaced_checked_and_forgotten_with_a_trail(stored, fmp, actor, now, team):
    admin = actor("admin")
    services.save_provider_key(actor=admin, provider="fmp", key=GOOD, now=now)
    assert services.check_provider_key(actor=admin, provider="fmp", now=now).status == "valid"
    fmp.key = {"api_key": "the-vendor-changed-it"}
    found = services.check_provider_key(actor=admin, provider="fmp", now=now)
    assert found.status == "refused"
    assert KEY not in found.note
    fmp.key = GOOD
    services.delete_provider_key(actor=admin, provider="fmp", now=now)
    assert not ProviderKey.objects.filter(team=team).exists()
    events = list_events(team_id=team.pk, action="provider_key.")
    acts = sorted(event.action.partition(".")[2] for event in events)
    assert acts == ["checked", "checked", "created", "deleted", "rotated"]
    assert not [event for event in events if KEY.encode() in bytes(event.body)]


def test_an_ingestion_uses_the_teams_key_and_no_other(stored, team, other_team):
    plug = selectors.provider_for(team_id=team.pk, name="fmp")
    assert plug.key == GOOD
    assert isinstance(plug.timing.gate, buckets.SharedGate)
    with pytest.raises(Denied) as caught:
        selectors.provider_for(team_id=other_team.pk, name="fmp")
    assert caught.value.code == "provider.no_key"
    assert selectors.provider_for(team_id=team.pk, name="sample").capabilities.name == "sample"


@pytest.mark.parametrize("role", ["viewer", "researcher", "trader", "auditor"])
def test_only_those_who_manage_keys_may(fmp, db, actor, now, role):
    with pytest.raises(Denied):
        services.save_provider_key(actor=actor(role), provider="fmp", key=GOOD, now=now)
    with pytest.raises(Denied):
        services.delete_provider_key(actor=actor(role), provider="fmp", now=now)
    assert fmp.requests == []


def test_rest_writes_a_key_and_never_reads_it(fmp, api_as, caplog):
    caplog.set_level(logging.DEBUG)
    client = api_as("admin")
    answer = client.put(f"{REST}/fmp", {"key": GOOD}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["hint"] == KEY[-4:]
    listed = client.get(REST)
    checked = client.post(f"{REST}/fmp/check")
    wrong = client.put(f"{REST}/fmp", {"key": {"api_key": 7}}, content_type="application/json")
    assert wrong.status_code == 422
    (mine,) = [row for row in listed.json() if row["provider"] == "fmp"]
    assert mine["ready"]
    assert mine["limits"][0]["requests"] == 300
    assert mine["limits"][0]["remaining"] < 300
    assert client.delete(f"{REST}/fmp").status_code == 204
    assert client.delete(f"{REST}/fmp").status_code == 404
    told = [answer.content, listed.content, checked.content, wrong.content]
    assert not [body for body in told if KEY.encode() in body]
    assert KEY not in caplog.text


def test_rest_is_for_those_who_manage_keys(fmp, api_as):
    client = api_as("researcher")
    assert client.get(REST).status_code == 200
    answer = client.put(f"{REST}/fmp", {"key": GOOD}, content_type="application/json")
    assert answer.status_code == 403


def test_a_provider_without_keys_takes_none(api_as):
    client = api_as("admin")
    body = {"key": {"api_key": "x"}}
    answer = client.put(f"{REST}/sample", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "provider.takes_no_key")
    answer = client.put(f"{REST}/nobody", body, content_type="application/json")
    assert answer.status_code == 404


def test_the_page_stores_checks_and_forgets(fmp, client_as, team):
    client = client_as("admin")
    assert "needs a key" in client.get("/data/providers/").content.decode()
    form = {"act": "save", "key_api_key": KEY}
    page = client.post("/data/providers/fmp/", form, follow=True).content.decode()
    assert f"…{KEY[-4:]}" in page
    assert "of 300" in page
    assert KEY not in page
    page = client.post("/data/providers/fmp/", {"act": "check"}, follow=True).content.decode()
    assert "The key is good" in page
    wrong = {"act": "save", "key_api_key": "some-other-key-altogether"}
    page = client.post("/data/providers/fmp/", wrong, follow=True).content.decode()
    assert "does not take the key" in page
    assert "some-other-key-altogether" not in page
    client.post("/data/providers/fmp/", {"act": "delete"})
    assert not ProviderKey.objects.filter(team=team).exists()


def test_a_viewer_sees_providers_without_forms(fmp, client_as):
    page = client_as("viewer").get("/data/providers/").content.decode()
    assert "Financial Modeling Prep" in page
    assert "key_api_key" not in page
    assert client_as("viewer").post("/data/providers/fmp/", {"act": "delete"}).status_code == 403


def test_a_key_that_is_not_there_is_told(db, actor, now):
    with pytest.raises(NotFound):
        services.check_provider_key(actor=actor("admin"), provider="fmp", now=now)


def test_an_ingestion_runs_with_the_key_and_stores_it_nowhere(stored, fmp, actor, now, caplog):
    caplog.set_level(logging.DEBUG)
    wanted = {"provider": "fmp", "section": "us-daily", "symbols": ["AAPL", "NOBODY"]}
    run, job = services.start_ingest(actor=actor(), now=now, **wanted)
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    result = services.run_ingest(jobs.Progress(job.pk, job.team_id, 1, job.payload))
    assert (result["symbols"], result["failed"]) == (1, 1)
    assert result["rows_added"] == len(fmp.raw["AAPL"]) == 131
    job.refresh_from_db()
    kept = [*run.tasks.values()]
    told = [run.request, kept, job.payload, job.result, job.error, job.title, result]
    assert KEY not in str(told) + caplog.text
    found = selectors.get_instrument(team_id=run.team_id, symbol="AAPL", dataset="fmp-us-daily")
    assert [(a["kind"], a["value"]) for a in found.actions] == [
        ("dividend", 0.24),
        ("split", 4.0),
        ("dividend", 0.24),
    ]


def test_without_a_key_an_ingestion_does_not_begin(fmp, db, actor, now):
    wanted = {"provider": "fmp", "section": "us-daily", "symbols": ["AAPL"]}
    with pytest.raises(Denied) as caught:
        services.start_ingest(actor=actor(), now=now, **wanted)
    assert caught.value.code == "provider.no_key"
    assert fmp.requests == []


def test_members_of_an_index_are_fetched_and_fetched_again(stored, fmp, api_as, team):
    client = api_as("researcher")
    body = {"provider": "fmp"}
    for _ in range(2):
        answer = client.post(
            "/api/v1/indices/sp500/members", body, content_type="application/json"
        )
        assert answer.status_code == 202, answer.content
        job = Job.objects.get(pk=answer.json()["id"])
        Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
        progress = jobs.Progress(job.pk, job.team_id, 1, job.payload)
        assert services.run_members(progress)["spells"] == 5
    found = {
        day: client.get(f"/api/v1/indices/sp500/members?on={day}").json()["symbols"]
        for day in ("2000-01-03", "2012-01-03", "2018-01-02", "2024-01-02")
    }
    assert found == {
        "2000-01-03": ["AAPL", "GONE", "OLDCO"],
        "2012-01-03": ["AAPL", "GONE"],
        "2018-01-02": ["AAPL", "OLDCO"],
        "2024-01-02": ["AAPL", "MSFT"],
    }
    assert KEY not in str(job.payload)


def test_a_provider_without_indices_is_told(db, actor, now):
    with pytest.raises(NotFound) as caught:
        services.ask_for_members(actor=actor(), provider="sample", index="sp500", now=now)
    assert caught.value.code == "provider.no_members"


def test_the_sealing_key_is_rotated_without_a_stop(stored, team, settings):
    old, new = settings.SEAL_KEY, Fernet.generate_key().decode()
    settings.SEAL_KEY = f"{new},{old}"
    assert selectors.provider_for(team_id=team.pk, name="fmp").key == GOOD
    out = io.StringIO()
    call_command("reseal_keys", stdout=out)
    counts = '{"provider_keys": 1, "alert_targets": 0, "second_factors": 0}'
    assert out.getvalue().strip() == counts
    settings.SEAL_KEY = new
    assert selectors.provider_for(team_id=team.pk, name="fmp").key == GOOD
    settings.SEAL_KEY = old
    with pytest.raises(Invalid) as caught:
        selectors.provider_for(team_id=team.pk, name="fmp")
    assert caught.value.code == "secrets.wrong_key"
    assert KEY not in caught.value.message


def test_a_key_the_vendor_takes_back_is_shown_as_refused(stored, fmp, actor, api_as, now, team):
    wanted = {"provider": "fmp", "section": "us-daily", "symbols": ["AAPL", "MSFT"]}
    _run, job = services.start_ingest(actor=actor(), now=now, **wanted)
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    fmp.key = {"api_key": "the-vendor-changed-it"}
    with pytest.raises(Denied):
        services.run_ingest(jobs.Progress(job.pk, job.team_id, 1, job.payload))
    (mine,) = [row for row in api_as("viewer").get(REST).json() if row["provider"] == "fmp"]
    assert (mine["ready"], mine["key"]["status"]) == (False, "refused")
    assert KEY not in mine["key"]["note"]
    assert list_events(team_id=team.pk, action="provider_key.refused").count() == 1
