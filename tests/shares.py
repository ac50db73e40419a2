"""How tests are shared out to processes (``pytest -n``): a module stays in one process.

The modules that use one lab stay together too. What takes long comes first, so that no process
ends long after the others.
"""

from xdist.scheduler import LoadFileScheduling

# Folders whose modules share a whole lab.
TOGETHER = ("tests/browser/", "tests/integration/whole/")
# Each finds the lab as those before it left it: the walk wants it fresh.
LONG = (
    "tests/browser/test_walk.py",
    *TOGETHER,
    "tests/integration/test_ingest_kills.py",
    "tests/integration/test_trading_replay.py",
    "tests/integration/test_matrix.py",
    "tests/integration/test_upload_hostile.py",
    "tests/integration/test_audit_attacks.py",
    "tests/integration",
    "tests/contract",
)


def share_of(nodeid):
    """Return what stays in one process: a module, or the modules that share a lab."""
    folder = next((one for one in TOGETHER if nodeid.startswith(one)), None)
    return folder or nodeid.split("::", 1)[0]


def rank(nodeid):
    """Return the place of a test in the queue: what is not named comes last."""
    found = (place for place, start in enumerate(LONG) if nodeid.startswith(start))
    return next(found, len(LONG))


class Shares(LoadFileScheduling):
    """One share after the other, in the order of the collection."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid):
        return share_of(nodeid)
