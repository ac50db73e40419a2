"""An ingestion survives the worker that ran it; ``test_ingest_kills`` strikes more often."""

from tests.integration.whole.test_faults import Rest, kill, processes

SYMBOLS = ["AAPL", "MSFT", "KO", "XOM"]


def bars_of(rest, dataset):
    """A digest of each symbol's bars, as clients read them."""
    found = {}
    for symbol in SYMBOLS:
        address = f"/bars?symbol={symbol}&dataset={dataset}&format=arrays"
        found[symbol] = rest.ask_until_it_answers("GET", address)["digest"]
    return found


def test_an_ingestion_survives_its_killed_celery_worker(lab):
    rest = Rest(lab, "researcher")
    body = {"section": "sp500", "symbols": SYMBOLS}
    made = []
    for dataset in ("undisturbed", "disturbed"):
        # A database that was killed before may be found dead only now.
        started = rest.ask_until_it_answers("POST", "/ingests", {**body, "dataset": dataset})
        if dataset == "disturbed":
            kill(processes(lab, "celery", "worker", "io"))
        job = rest.finish(started["job"]["id"])
        assert job["status"] == "done", job["error"]
        made.append(bars_of(rest, dataset))
    assert made[0] == made[1]
