"""An older backup that was restored is seen, stops trading, and goes on once it is accepted."""

import pytest

from apps.audit import selectors
from apps.audit.kernel import chain
from apps.audit.models import AuditEvent
from apps.audit.selectors import kept as kept_heads
from apps.audit.services import sequencer as sequencing
from apps.audit.services.reconciling import reconcile
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid
from apps.ops import selectors as ops
from apps.trading import selectors as trading
from apps.trading import services as trade
from apps.trading.models import Halt
from tests.factories import ledger
from tests.integration.test_audit import record

REASON = "Restored the dump of last night after a bad migration."


@pytest.fixture(autouse=True)
def _no_memory():
    kept_heads._agreed.clear()


@pytest.fixture
def paths(servers, settings):
    return ledger.paths_of(servers, settings)


@pytest.fixture
def sequence(servers, settings, paths):
    yield lambda: ledger.place_all(servers, settings, paths)
    # Leave a head that agrees: the tests after this one share the database and the file.
    paths.witness.unlink(missing_ok=True)


@pytest.fixture
def kept(tmp_path, settings):
    """A head of a million leaves, which the test's ledger doesn't hold."""
    path = tmp_path / "audit_checkpoint"
    settings.AUDIT_WITNESS_FILE = path
    key = sequencing.load_key(tmp_path / "key", may_create=True)
    path.write_text(chain.sign(chain.Checkpoint("lost/log", 10**6, bytes(32)), key))
    return path


@pytest.mark.django_db
def test_a_head_the_ledger_lacks_halts_everything_at_once(kept, team, now):
    found = selectors.find_rollback()
    assert found.kept_size == 10**6
    assert "events are gone" in found.says
    (halt,) = trading.halted_among([f"team:{team.pk}"])
    assert (halt.scope, halt.pk) == ("all", 0)
    state = ops.check_ledger(now)
    assert (state.status, "events are gone" in state.summary) == ("down", True)


@pytest.mark.django_db
def test_the_halt_gets_its_row_and_ends_after_a_reconciliation(kept, now):
    trade.finish_halts(now=now)
    row = Halt.objects.get(scope="all")
    assert (row.is_halted, row.halted_by) == (True, "system:ledger")
    trade.finish_halts(now=now)
    assert Halt.objects.filter(scope="all").count() == 1
    resume = {"actor": system("tests"), "scope": "all", "reason": "all is well", "now": now}
    with pytest.raises(Conflict, match="Reconcile first"):
        trade.resume(**resume)
    event = AuditEvent.objects.get(pk=reconcile(actor=system("tests"), reason=REASON, now=now))
    assert event.content["kept_size"] == 10**6
    assert event.content["reason"] == REASON
    assert selectors.find_rollback() is None
    assert trading.halted_among(["all"]) == [row], "people resume; a reconciliation does not"
    assert not trade.resume(**resume).is_halted
    assert trading.halted_among(["all"]) == []


@pytest.mark.django_db
def test_an_unreadable_head_stops_trading_too(kept):
    kept.write_bytes(b"\xff\xfe nonsense")
    assert "can't be read" in selectors.find_rollback().says
    assert trading.halted_among(["all"])


@pytest.mark.django_db
def test_without_a_kept_head_nothing_is_known(kept):
    kept.unlink()
    assert selectors.find_rollback() is None


@pytest.mark.django_db
def test_who_may_reconcile_and_how(kept, actor, now):
    with pytest.raises(Denied):
        reconcile(actor=actor("trader"), reason=REASON, now=now)
    with pytest.raises(Invalid):
        reconcile(actor=actor("admin"), reason="because", now=now)
    reconcile(actor=actor("admin"), reason=REASON, now=now)
    with pytest.raises(Conflict, match="nothing to reconcile"):
        reconcile(actor=actor("admin"), reason=REASON, now=now)


def test_the_sequencer_keeps_a_head_that_is_ahead(
    live_db, sequence, paths, actor, team, now, settings
):
    """A kept head that is ahead stays until somebody gives it up; then a new one is kept."""
    who = actor("researcher")
    record(who, now)
    sequence()
    assert selectors.find_rollback() is None
    settings.AUDIT_WITNESS_FILE.write_text(
        chain.sign(
            chain.Checkpoint(settings.AUDIT_ORIGIN, selectors.head().size + 5, bytes(32)),
            sequencing.load_key(paths.key, may_create=False),
        )
    )
    kept_heads._agreed.clear()
    assert "5 events are gone" in selectors.find_rollback().says
    # The sequencer keeps the note until somebody gives it up, then moves it aside.
    kept = settings.AUDIT_WITNESS_FILE.read_text()
    record(who, now)
    sequence()
    assert settings.AUDIT_WITNESS_FILE.read_text() == kept
    reconcile(actor=system("tests"), reason=REASON, now=now)
    assert selectors.find_rollback() is None
    sequence()
    assert settings.AUDIT_WITNESS_FILE.read_text() == selectors.head().note
    (aside,) = settings.AUDIT_WITNESS_FILE.parent.glob("*given-up*")
    assert aside.read_text() == kept
    aside.unlink()
    assert selectors.find_rollback() is None
