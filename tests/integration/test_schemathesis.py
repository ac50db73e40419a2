"""No operation fails or answers what its document does not say, whatever it is sent.

Always the same cases; ``tests/speed/doors.py`` (``make soak``) tries many more.
"""

import pytest

from apps.audit.services import packing
from apps.core.doors import PUBLIC
from tests.factories.fuzzing import described, problems_of
from tests.factories.recipes import MAY
from tests.factories.stage import OPERATIONS, staged

COUNT = 1
# Between them they may ask for everything that any role may.
ASKING = ("admin", "researcher", "trader", "risk_manager", "validator", "auditor")


@pytest.fixture(scope="module")
def stage(servers, sample, django_db_setup, django_db_blocker):
    # No sequencer runs here: what waits for it says at once that it would.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(packing, "WAIT_SECONDS", 0.0)
    with django_db_blocker.unblock(), staged(servers) as world:
        yield world
    monkeypatch.undo()


def doors_of(role):
    """The operations of which ``role`` is the first that may ask for them."""
    first = {
        name: next((r for r in ASKING if permission in MAY[r] | {PUBLIC}), ASKING[0])
        for name, permission in OPERATIONS.items()
    }
    return [name for name, found in first.items() if found == role]


def test_every_operation_is_tried():
    tried = [name for role in ASKING for name in doors_of(role)]
    assert sorted(tried) == sorted(OPERATIONS) == sorted(described())


@pytest.mark.parametrize("role", ASKING)
def test_no_case_makes_an_operation_fail(stage, role):
    wrong = [
        problem
        for name in doors_of(role)
        for problem in problems_of(name, stage.rest[role], stage.own.things, count=COUNT)
    ]
    assert not wrong, "\n".join(wrong)
