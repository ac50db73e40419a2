"""A user's strategy from text to figures: saved, proposed, approved by another, run apart."""

import json
import os
import shutil
from decimal import Decimal

import numpy as np
import pytest

from apps.audit import selectors as audit
from apps.backtests import selectors as runs
from apps.backtests import services as backtests
from apps.core import jobs
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job
from apps.strategies import selectors, services
from apps.strategies.kernel.user_code import digest_of_text
from apps.strategies.models import StrategyVersion
from tests.factories import signing, trading

pytestmark = pytest.mark.django_db
WHY = "Read it line by line; it looks at closes only."
TEXT = '''"""Long while the fast average of closes is above the slow one."""
import numpy as np

TITLE = "Own crossover"
PARAMETERS = {
    "fast": {"kind": "int", "default": 10, "low": 1, "high": 1000, "unit": "bars"},
    "slow": {"kind": "int", "default": 30, "low": 2, "high": 2000, "unit": "bars"},
}
WARMUP = "slow"


def total(close, length):
    out = np.full(close.shape, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(close, length, axis=0)
    out[length - 1:] = windows.sum(axis=-1)
    return out


def targets(panel, params):
    fast, slow = params["fast"], params["slow"]
    gap = total(panel.close, fast) * slow - total(panel.close, slow) * fast
    wanted = np.where(gap > 0, 1.0, 0.0)
    before = np.vstack([np.zeros((1, panel.n_assets)), wanted[:-1]])
    return np.where(wanted != before, wanted / panel.n_assets, np.nan)
'''
REQUEST = {
    "params": {"fast": 20, "slow": 100},
    "instruments": ["AAPL", "MSFT", "XOM"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2015-12-31",
    "cash": 50_000,
    "costs": {"fee_bps": 5, "slippage_bps": 2},
}


class Json:
    """A REST client that sends JSON."""

    def __init__(self, client):
        self.client = client
        self.get = client.get

    def post(self, path, body):
        return self.client.post(path, body, content_type="application/json")


@pytest.fixture(autouse=True)
def _held(db):
    if not (shutil.which("bwrap") and selectors.sandbox_status().holds):
        assert not os.environ.get("CI"), "the sandbox does not hold"
        pytest.skip(f"the sandbox does not hold here: {selectors.sandbox_status().why}")


@pytest.fixture
def saved(actor, now):
    def save(text=TEXT, name="own_crossover", of=None):
        return services.save_code(actor=of or actor(), name=name, text=text, now=now)

    return save


@pytest.fixture
def approved(saved, actor, now):
    """A saved version whose text another person approved."""

    def approve(text=TEXT, name="own_crossover"):
        author = actor()
        version = saved(text, name, author)
        made = services.propose_code(actor=author, version_id=version.id, rationale=WHY, now=now)
        signing.decide(actor("validator"), made, now)
        return version

    return approve


def computed(run, job, now):
    status = jobs.execute(str(job.pk), backtests.run_backtest, worker="w", now=lambda: now)
    return status, Job.objects.get(pk=job.pk), runs.get_run(run.pk, run.team_id)


@pytest.mark.store
def test_over_rest_from_text_to_the_librarys_figures(api_as, sample, db, now):
    author, validator = Json(api_as("researcher")), Json(api_as("validator"))
    saved = author.post("/api/v1/code", {"name": "own_crossover", "text": TEXT})
    assert saved.status_code == 201, saved.content
    version = saved.json()
    body = {**REQUEST, "strategy": str(version["id"])}
    refused = author.post("/api/v1/backtests", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "strategy.not_approved")
    path = f"/api/v1/versions/{version['id']}/code"
    asked = author.post(f"{path}/propose", {"rationale": WHY})
    assert asked.status_code == 201, asked.content
    proposal = asked.json()["proposal_id"]
    shown = validator.get(f"/api/v1/proposals/{proposal}").json()
    assert shown["evidence"]["text"] == TEXT
    assert shown["subject_digest"] == digest_of_text(TEXT) == shown["evidence"]["sha256"]
    own = signing.vote(author.client.actor, shown)
    assert author.post(f"/api/v1/proposals/{proposal}/decisions", own).status_code == 403
    vote = signing.vote(validator.client.actor, shown)
    decided = validator.post(f"/api/v1/proposals/{proposal}/decisions", vote)
    assert decided.status_code == 201, decided.content
    assert author.get(path).json()["state"] == "approved"

    own, library = (
        author.post("/api/v1/backtests", {**body, "strategy": name}).json()
        for name in (str(version["id"]), "sma_crossover")
    )
    found = []
    for made in (own, library):
        job = Job.objects.get(pk=made["job"]["id"])
        status = jobs.execute(str(job.pk), backtests.run_backtest, worker="w", now=lambda: now)
        assert status == "done", Job.objects.get(pk=job.pk).error
        found.append(author.get(f"/api/v1/backtests/{made['id']}").json())
    assert found[0]["trades"] == found[1]["trades"]
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["equity_final"] == found[1]["equity_final"]
    assert found[0]["params"] == REQUEST["params"]


def test_only_exactly_the_approved_text_runs(approved, saved, actor, now, sample):
    first = approved()
    other = saved(TEXT.replace("1.0, 0.0", "0.9, 0.0"))
    assert other.number == first.number + 1
    request = {**REQUEST, "strategy": str(other.id)}
    with pytest.raises(Conflict) as error:
        backtests.create_backtest(actor=actor(), request=request, now=now)
    assert error.value.code == "strategy.not_approved"
    # Other parameters are another version of the same text: that may run.
    made = backtests.create_backtest(
        actor=actor(), request={**REQUEST, "strategy": str(first.id)}, now=now
    )
    assert computed(*made, now)[0] == "done"
    assert made[0].version_id not in {first.id, other.id}


def test_author_of_a_text_never_decides_on_it_whoever_proposes(saved, actor, now):
    author, colleague = actor("validator"), actor("researcher")
    version = saved(of=colleague)
    again = services.propose_code(actor=colleague, version_id=version.id, rationale=WHY, now=now)
    with pytest.raises(Denied):
        signing.decide(colleague, again, now)
    with pytest.raises(Denied):
        saved(of=author)  # a validator writes no strategies


def test_text_of_another_team_is_not_there(approved, actor, other_team, now):
    version = approved()
    stranger = actor("researcher", other_team)
    for name in (str(version.id), version.name):
        with pytest.raises(NotFound):
            backtests.create_backtest(
                actor=stranger, request={**REQUEST, "strategy": name}, now=now
            )
    with pytest.raises(NotFound):
        selectors.get_strategy(version.name, other_team.pk)
    with pytest.raises(NotFound):
        selectors.get_strategy(version.name)


@pytest.mark.parametrize(
    ("wrong", "code", "line"),
    [
        ("x = 1 / (len(params) - 2)", "strategy.raised", 20),
        ("open('/etc/passwd')", "strategy.forbidden", 20),
        ("x = np.ones(1 << 42)", "strategy.memory_limit", 20),
    ],
)
def test_run_of_a_bad_text_fails_with_its_code_and_line(
    approved, actor, now, sample, wrong, code, line
):
    marker = '    fast, slow = params["fast"]'
    version = approved(TEXT.replace(marker, f"    {wrong}\n{marker}"))
    assert TEXT.splitlines()[line - 1].startswith(marker)
    made = backtests.create_backtest(
        actor=actor(), request={**REQUEST, "strategy": str(version.id)}, now=now
    )
    status, job, _ = computed(*made, now)
    assert status == "failed"
    assert job.error["code"] == code
    assert job.error["details"]["line"] == line


@pytest.mark.store
def test_sweep_of_a_text_equals_runs_of_the_library(approved, actor, now, sample):
    version = approved()
    request = {**REQUEST, "params": {}}
    space = {"fast": [5, 10], "slow": [40, 80]}
    found = []
    for name in (str(version.id), "sma_crossover"):
        sweep, lanes = backtests.create_sweep(
            actor=actor(), request={**request, "strategy": name}, space=space, now=now, lanes=1
        )
        status = jobs.execute(str(lanes[0].pk), backtests.run_sweep, worker="w")
        assert status == "done", Job.objects.get(pk=lanes[0].pk).error
        detail = runs.sweep_detail(runs.get_sweep(sweep.pk, sweep.team_id))
        status = selectors.sandbox_status()
        fences = {"tier": status.tier, "guard": status.guard} if not found else None
        assert detail["sandbox"] == fences
        ended = audit.list_events(
            team_id=sweep.team_id, subject=f"sweep:{sweep.pk}", action="sweep.finished"
        ).get()
        told = ended.content.get("sandbox") or {}
        assert {name: told[name] for name in told if name in ("tier", "guard")} == (fences or {})
        rows = runs.list_trials(sweep).order_by("number")
        found.append([(row.params, row.equity_final, row.trades) for row in rows])
    assert len(found[0]) == 4
    assert found[0] == found[1]


@pytest.mark.store
def test_deployment_of_a_text_trades_as_the_librarys_does(approved, actor, team, now, sample):
    from apps.core.actors import system
    from apps.trading import services as desk
    from apps.trading.models import Fill

    own = approved()
    params = {"fast": 3, "slow": 8}
    feed = trading.make_feed(now)
    lab, made = system("tests", team.pk), []
    for name in (str(own.id), "sma_crossover"):
        version = trading.make_version(team, now, name, params)
        account = trading.make_account(team, now, name=f"Paper {name}")
        made.append(
            desk.deploy(
                actor=lab, version_id=version.id, account_id=account.pk,
                allocation=Decimal(50_000), symbols=["AAPL", "MSFT", "XOM"], now=now,
            )
        )  # fmt: skip
    trading.advance(feed, now, 25)
    fills = [
        list(Fill.objects.filter(order__deployment=one).order_by("pk").values_list(
            "order__symbol", "quantity", "price"
        ))
        for one in made
    ]  # fmt: skip
    assert len(fills[0]) > 3
    assert fills[0] == fills[1]


def test_what_is_stored_is_the_text_and_its_hash(saved, actor, now):
    version = saved()
    assert version.kind == "python"
    assert version.name == f"code:{digest_of_text(TEXT)}"
    assert version.params == {"fast": 10, "slow": 30}
    row = StrategyVersion.objects.get(pk=version.id)
    assert row.source == TEXT
    assert row.source_digest == digest_of_text(TEXT)
    assert saved().id == version.id
    with pytest.raises(Invalid) as error:
        saved(TEXT.replace("targets(panel, params)", "targets(panel)"))
    assert (error.value.code, error.value.details["line"]) == ("code.arguments", 19)
    with pytest.raises(Conflict):
        services.save_code(
            actor=actor(), name="own_crossover", text=TEXT + "\n", now=now, base=version.id + 999
        )


def test_answer_is_json_and_weights_alone(approved, team, sample):
    """Nothing of what a text answers is ever unpickled: the bytes are told apart by length."""
    from apps.market.kernel.bars import Panel

    version = approved()
    plug = selectors.get_strategy(version.name, team.pk)
    close = np.linspace(1.0, 2.0, 40)[:, None]
    fields = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    panel = Panel(("A",), np.arange(40), **fields, timeframe="1d")
    found = plug.targets(panel, {"fast": 2, "slow": 4})
    assert found.dtype == np.float64
    assert json.dumps(np.nan_to_num(found).sum()) == "1.0"
