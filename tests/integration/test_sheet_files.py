"""A run as files: each carries its digest, and a changed one is found out."""

import io
import json
import re

import pandas as pd
import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from pypdf import PdfReader

from apps.backtests import selectors, services
from apps.backtests.charts.sheets import sheet_figures
from apps.backtests.selectors import sheets
from apps.backtests.selectors.exports import export_of, verify_file
from apps.core import jobs
from apps.core.errors import Invalid, NotFound

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 10, "slow": 40},
    "instruments": ["AAPL", "XOM"],
    "timeframe": "1d",
    "start": "2011-06-01",
    "end": "2013-12-31",
    "cash": 50_000,
    "costs": {"fee_bps": 5},
}


@pytest.fixture
def run(actor, now, sample, db):
    made, job = services.create_backtest(actor=actor(), request=BODY, now=now)
    assert jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now) == "done"
    return selectors.get_run(made.pk, made.team_id)


def exported(run, kind, what="equity"):
    return export_of(run, kind, what, sheet_figures)[0]


def test_every_file_carries_the_digest_and_is_known_again(run, tmp_path, capsys):
    asked = [("html", "equity"), ("html_light", "equity"), ("pdf", "equity")]
    asked += [(kind, what) for kind in ("csv", "parquet") for what in ("figures", "trades")]
    for kind, what in asked:
        content, _, name = export_of(run, kind, what, sheet_figures)
        assert content == exported(run, kind, what), name  # the same bytes again
        found = verify_file(content, name, sheet_figures)
        assert (found["digest"], found["unchanged"]) == (run.digest, True), name
        assert found["runs"] == [str(run.pk)]
    path = tmp_path / "fills.csv"
    path.write_bytes(exported(run, "csv", "fills"))
    call_command("verify_sheet", str(path))
    assert json.loads(capsys.readouterr().out)["unchanged"] is True
    changed = path.read_bytes().replace(b"AAPL", b"XOM ", 1)
    assert verify_file(changed, "fills.csv", sheet_figures)["unchanged"] is False


def test_files_without_a_run_are_told_so(run):
    content = exported(run, "csv")
    with pytest.raises(NotFound, match="no run of this lab"):
        verify_file(content.replace(run.digest.encode(), b"0" * 64), "a.csv", sheet_figures)
    with pytest.raises(Invalid) as refused:
        verify_file(b"ts,equity\r\n2020-01-01,1\r\n", "a.csv", sheet_figures)
    assert refused.value.code == "sheet.no_digest"
    with pytest.raises(Invalid) as refused:
        verify_file(b"no parquet", "a.parquet", sheet_figures)
    assert refused.value.code == "sheet.unreadable"
    with pytest.raises(Invalid) as refused:
        verify_file(b"", "a.docx", sheet_figures)
    assert refused.value.code == "sheet.kind"


def test_tables_stay_tables(run):
    figures = pd.read_csv(io.BytesIO(exported(run, "csv", "figures"))).set_index("figure")
    told = sheets.intervals_of(run)
    assert figures.loc["sharpe", "value"] == run.sharpe
    assert figures.loc["sharpe", "low"] == told["figures"]["sharpe"]["low"]
    assert figures.loc["historical_95_var", "high"] == told["tail"]["historical_95.var"]["high"]
    assert set(figures["run_digest"]) == {run.digest}
    assert set(figures.index) >= {"profit_factor", "turnover", "exposure", "tail_ratio", "beta"}
    content = io.BytesIO(exported(run, "parquet", "fills"))
    assert pq.read_metadata(content).metadata[b"quantsite.run_digest"].decode() == run.digest
    table = pq.read_table(content)
    assert table.num_rows == run.result["fills"]
    assert "run_digest" not in table.column_names


def test_the_page_as_a_file_asks_nobody_for_anything(run):
    page = exported(run, "html").decode()
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert len(page) > 1_000_000 > len(outside)
    assert "default-src 'none'" in outside
    for words in ("src=", "href=", "@import", "url("):
        assert words not in outside
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', page)[1])
    assert {"equity", "rolling", "turnover", "held", "factors"} <= set(figures)
    assert "$" not in json.dumps([figure["data"] for figure in figures.values()])


def test_paper_tells_the_digest_on_every_page(run):
    reader = PdfReader(io.BytesIO(exported(run, "pdf")))
    assert reader.metadata.subject == f"run digest {run.digest}"
    assert len(reader.pages) >= 2
    words = [page.extract_text() for page in reader.pages]
    assert all(f"digest {run.digest}" in page for page in words)
    whole = " ".join(words)
    for told in ("Figures, with 95 % intervals", "Worst drawdowns", "Deflated Sharpe", "MKT_RF"):
        assert told in whole


def test_intervals_hold_the_figures_they_are_of(run):
    told = sheets.intervals_of(run)
    assert told["seed"] == int(run.digest[:15], 16)
    assert told == sheets.intervals_of(run)
    for name in ("sharpe", "volatility", "win_rate", "beta", "exposure", "turnover", "fees_paid"):
        row = told["figures"][name]
        assert row["low"] <= run.result["metrics"][name] <= row["high"], name
        assert {"level", "method", "n"} <= set(row)
    assert told["trades"]["win_rate"]["observations"] == run.trades
    missing = set(run.result["metrics"]) - set(told["figures"])
    assert missing == set()


def test_parts_of_the_page(run, client_as):
    client = client_as("viewer")
    factors = client.get(f"/research/{run.pk}/parts/factors/").content.decode()
    assert "MKT_RF" in factors
    assert "Newey-West errors" in factors
    windows = client.get(f"/research/{run.pk}/parts/windows/").content.decode()
    assert "US downgrade and the euro" in windows
    holdings = client.get(f"/research/{run.pk}/parts/holdings/").content.decode()
    assert "data-largest" in holdings
    assert client.get(f"/research/{run.pk}/parts/nothing/").status_code == 404
    for tab in ("sheet", "trades", "risk", "integrity", "doctor", "files", "propose"):
        assert client.get(f"/research/{run.pk}/?tab={tab}").status_code == 200, tab
