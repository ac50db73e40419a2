"""Links to a sheet for people outside: what they show, when they stop, what they never tell."""

from datetime import timedelta

import pytest
from django.test import Client

from apps.approvals.services import set_setting
from apps.audit.selectors import list_events
from apps.backtests import selectors, services
from apps.backtests.kernel.sharing import network_of
from apps.backtests.models import ShareLink, ShareView
from apps.backtests.selectors import shares
from apps.backtests.services.shares import LOOKS_A_MINUTE, open_share, revoke_share, share_run
from apps.core import clock, jobs, rates, tenancy
from apps.core.errors import Conflict, Denied, Invalid, NotFound, TooMany

HOUR = timedelta(hours=1)
BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 17, "slow": 93},
    "instruments": ["AAPL", "XOM"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2013-12-31",
    "cash": 50_000,
}


@pytest.fixture
def run(actor, now, sample, db):
    made, job = services.create_backtest(actor=actor(), request=BODY, now=now)
    assert jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now) == "done"
    return selectors.get_run(made.pk, made.team_id)


@pytest.fixture(autouse=True)
def nobody_looked_yet(monkeypatch):
    monkeypatch.setattr(rates, "counter", rates.Counter())


def shared(actor, run, now, **more):
    return share_run(actor=actor(), run_id=run.pk, hours=1, now=now, **more)


def code_of(token, now):
    with tenancy.scope(tenancy.NOBODY), pytest.raises(NotFound) as refused:
        open_share(token=token, address="192.0.2.7", now=now)
    return refused.value.code


def test_a_stranger_reads_the_sheet_and_nothing_of_the_team(actor, run, api_as):
    made = api_as("researcher").post(
        f"/api/v1/backtests/{run.pk}/shares",
        {"hours": 24, "note": "For Ada"},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    answer = Client(REMOTE_ADDR="192.0.2.77").get(made.json()["path"])
    assert answer.status_code == 200
    assert answer["X-Robots-Tag"].startswith("noindex, nofollow")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    page = answer.content.decode()
    for words in ("For Ada", run.digest, "Deflated Sharpe", "In bad times", "95 %"):
        assert words in page, words
    hidden = (
        *("AAPL", "XOM", "sma_crossover", "17", "93 ", "/api/v1/", "csrf", str(run.pk)),
        *(run.title, run.created_by_label, run.version.digest, "/research/families/"),
    )
    told = page.replace(run.digest, "").replace(run.data_digest, "")
    for words in hidden:
        if not words.strip().isdecimal():
            assert words not in told, words
    assert "fast = " not in told
    row = api_as("viewer").get(f"/api/v1/backtests/{run.pk}/shares").json()["items"][0]
    assert (row["views"], row["state"], row["note"]) == (1, "in force", "For Ada")
    assert "path" not in row
    looks = api_as("viewer").get(f"/api/v1/shares/{row['id']}/looks").json()["items"]
    assert [look["network"] for look in looks] == ["192.0.2.0/24"]


def test_a_link_that_may_names_the_strategy(actor, run, client_as):
    _, token = shared(actor, run, clock.now(), shows_strategy=True)
    page = Client().get(f"/research/shared/{token}/").content.decode()
    for words in ("sma_crossover", "fast = 17", "AAPL, XOM"):
        assert words in page
    panel = client_as("viewer").get(f"/research/{run.pk}/?tab=files").content.decode()
    assert "in force" in panel
    assert token not in panel
    assert "Make a link" not in panel
    assert "Make a link" in client_as("researcher").get(
        f"/research/{run.pk}/?tab=files"
    ).content.decode()  # fmt: skip


def test_links_end_are_called_back_and_can_be_off(actor, run, now):
    link, token = shared(actor, run, now)
    with tenancy.scope(tenancy.NOBODY):
        assert open_share(token=token, address="192.0.2.7", now=now).pk == link.pk
    assert code_of(token, now + HOUR) == "share.expired"
    set_setting(actor=actor("admin"), key="sharing.enabled", value=False, note="audit", now=now)
    assert code_of(token, now) == "share.off"
    with pytest.raises(Denied, match="sharing"):
        shared(actor, run, now)
    set_setting(actor=actor("admin"), key="sharing.enabled", value=True, note="done", now=now)
    revoke_share(actor=actor(), share_id=link.pk, now=now)
    assert code_of(token, now) == "share.revoked"
    _, later = shared(actor, run, clock.now() - 2 * HOUR)
    ended = Client().get(f"/research/shared/{later}/")
    assert ended.status_code == 404
    assert "This link ended on" in ended.content.decode()
    revoke_share(actor=actor(), share_id=link.pk, now=now + HOUR)  # again: nothing changes
    link.refresh_from_db()
    assert link.revoked_at == now
    events = [e.action for e in list_events(team_id=run.team_id, subject=f"share:{link.pk}")]
    assert sorted(events) == ["share.created", "share.revoked"]


def test_a_changed_token_opens_nothing(actor, run, now):
    link, token = shared(actor, run, now)
    content, _, signature = token.rpartition(":")
    other = "A" if signature[0] != "A" else "B"
    forged = (
        f"{content}:{other}{signature[1:]}",
        f"{content[:-1]}{'A' if content[-1] != 'A' else 'B'}:{signature}",
        content,
        "no-such-token",
        link.digest,
    )
    for wrong in forged:
        assert code_of(wrong, now) == "share.unknown", wrong
    # A signature of the lab for another purpose is none.
    from django.core.signing import Signer

    assert code_of(Signer().sign(content), now) == "share.unknown"
    # Well signed, but never given out.
    assert code_of(Signer(salt=shares.PURPOSE).sign("x"), now) == "share.unknown"
    assert ShareView.objects.filter(link=link).count() == 0


def test_other_teams_and_roles_are_kept_out(actor, run, now, other_team):
    link, token = shared(actor, run, now)
    with pytest.raises(NotFound):
        share_run(actor=actor(of=other_team), run_id=run.pk, hours=1, now=now)
    with pytest.raises(NotFound):
        revoke_share(actor=actor(of=other_team), share_id=link.pk, now=now)
    with pytest.raises(Denied):
        share_run(actor=actor("trader"), run_id=run.pk, hours=1, now=now)
    for scope in (tenancy.NOBODY, str(other_team.pk)):
        with tenancy.scope(scope):
            assert not ShareLink.objects.exists()
            assert not ShareView.objects.exists()
            # Whoever asks, the sheet is that of the link's own team.
            sheet = shares.shared_sheet(shares.get_opened(token, now))
            assert sheet["detail"]["digest"] == run.digest
            assert not ShareLink.objects.exists()


def test_how_long_and_how_many(actor, run, now):
    for hours in (0, 2161):
        with pytest.raises(Invalid) as refused:
            share_run(actor=actor(), run_id=run.pk, hours=hours, now=now)
        assert refused.value.code == "share.hours"
    for _ in range(20):
        shared(actor, run, now)
    with pytest.raises(Conflict, match="20 links"):
        shared(actor, run, now)
    shared(actor, run, now + HOUR)  # the first have ended


def test_one_address_may_look_so_often(actor, run, now):
    link, token = shared(actor, run, now)
    for _ in range(LOOKS_A_MINUTE):
        open_share(token=token, address="203.0.113.9", now=now)
    with pytest.raises(TooMany):
        open_share(token=token, address="203.0.113.9", now=now)
    open_share(token=token, address="198.51.100.1", now=now)
    link.refresh_from_db()
    assert link.views == LOOKS_A_MINUTE + 1


def test_addresses_are_kept_without_their_end():
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of("") == ""
