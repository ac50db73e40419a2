"""The short form of what ``make soak`` does to the ledger: kills under load, nothing lost."""

from tests.servers.ledger_kills import strike


def test_kills_of_sequencer_and_database_lose_no_event(tmp_path):
    found = strike(tmp_path / "lab", sequencer=2, database=1, writers=4, seed=5)
    assert found["verified"], found
    assert found["acknowledged"] > 0
    faults = ("lost", "twice", "without_leaf", "leaves_twice")
    assert {name: found[name] for name in faults} == dict.fromkeys(faults, 0), found
