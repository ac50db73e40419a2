"""From an idea to a governed strategy with live P&L, over REST alone.

Run it against a lab that is up:
``.venv/bin/python docs/examples/rest_walk.py .lab/credentials.json``.
It runs a backtest, lets the forge search, proposes the run's version for paper, approves it as the
validator, deploys it as the trader, watches it trade the replay feed, halts it, lets the risk
manager agree that it goes on, and checks the ledger. Decisions are signed with one-time codes.
Every step prints one line.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

FINAL = {"done", "failed", "cancelled", "lost", "blocked_no_isolation"}


class Person:
    """Somebody's REST client: bearer token, an Idempotency-Key on every write, problems raised."""

    def __init__(self, base_url: str, token: str, secret: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.secret = secret
        self.client = httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=30)

    def get(self, path: str, **params: Any) -> Any:
        """Read."""
        return self._answer(self.client.get(path, params=params))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Write; the key makes a repeated request harmless."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return self._answer(self.client.post(path, json=body, headers=key))

    def decide(self, proposal_id: str, decision: str, rationale: str) -> Any:
        """Read a proposal and decide on what it says, signed with this half minute's code.

        For live the lab wants a passkey, which signs the proposal's digest itself.
        """
        proposal = self.get(f"/proposals/{proposal_id}")
        body = {
            "decision": decision,
            "rationale": rationale,
            "seen_digest": proposal["digest"],
            "signature": {"kind": "totp", "code": code_of(self.secret or "")},
        }
        return self.post(f"/proposals/{proposal_id}/decisions", body)

    def wait(self, job: dict[str, Any], seconds: float = 300) -> dict[str, Any]:
        """Follow a job to its end, printing how far it is."""
        until = time.monotonic() + seconds
        while job["status"] not in FINAL and time.monotonic() < until:
            time.sleep(0.25)
            job = self.get(f"/jobs/{job['id']}")
        if job["status"] != "done":
            raise SystemExit(f"{job['title']}: {job['status']} {job['error']}")
        return job

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        if response.is_error:
            problem = response.json()
            raise SystemExit(f"{response.request.url}: {problem['code']}: {problem['detail']}")
        return response.json() if response.content else None


def code_of(secret: str) -> str:
    """Return the one-time code of now (RFC 6238)."""
    counter = int(time.time()) // 30
    key = base64.b32decode(secret)
    digest = hmac.new(key, counter.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def tell(step: str, **facts: Any) -> None:
    """Print what a step came to."""
    print(f"{step:<12}", json.dumps(facts, default=str))


def research(researcher: Person) -> str:
    """Backtest 12-1 momentum on the bundled S&P names; return the run's id."""
    body = {
        "strategy": "momentum_12_1",
        # Another version each time, so that the walk can be taken again on the same lab.
        "params": {"top": 10 + int(time.time()) % 40},
        "universe": "sp500-sample",
        "timeframe": "1d",
        "start": "2010-01-04",
        "end": "2019-12-31",
        "cash": 100000,
        "costs": {"fee_bps": 5, "slippage_bps": 5},
        "fill": "next_open",
        "seed": 7,
    }
    started = researcher.post("/backtests", body)
    researcher.wait(started["job"])
    run = researcher.get(f"/backtests/{started['id']}")
    metrics = run["metrics"]
    tell("research", run=run["id"], sharpe=metrics["sharpe"], drawdown=metrics["max_drawdown"])
    return str(run["id"])


def forge(researcher: Person) -> None:
    """Let the forge search alpha expressions, in sample only."""
    body = {
        "universe": "sp500-sample",
        "start": "2012-01-03",
        "end": "2019-12-31",
        "population": 24,
        "generations": 2,
        "seed": 7,
    }
    started = researcher.post("/hypotheses", body)
    researcher.wait(started["job"])
    found = researcher.get("/hypotheses", limit=3)["items"]
    tell("forge", best=[row["expression"] for row in found])


def probe(researcher: Person, run: str) -> None:
    """Have the run's version probed for look-ahead, which a promotion needs."""
    version = researcher.get(f"/backtests/{run}")["version_id"]
    started = researcher.post(f"/versions/{version}/probes", {})
    researcher.wait(started["job"])
    found = researcher.get(f"/probes/{started['id']}")
    tell("probe", verdict=found["verdict"], said=found["said"])


def govern(researcher: Person, validator: Person, run: str) -> dict[str, Any]:
    """Propose the run's version for paper; approve it as somebody else."""
    rationale = "Momentum is documented since 1993 and survives ten basis points of costs here."
    made = researcher.post(
        f"/backtests/{run}/propose", {"rationale": rationale, "target_stage": "paper"}
    )
    decided = validator.decide(
        made["proposal_id"],
        "approve",
        "Evidence read: the costs are stated and the drawdown is acceptable.",
    )
    tell("govern", proposal=decided["id"], status=decided["status"], subject=decided["subject"])
    return dict(decided)


def trade(trader: Person, manager: Person, proposal: dict[str, Any]) -> None:
    """Deploy the approved version on the paper account; watch, halt and resume it."""
    accounts = trader.get("/accounts")["items"]
    account = next(row for row in accounts if row["feed"] == "sp500-daily")
    body = {
        "version_id": int(proposal["subject"].partition(":")[2]),
        "account_id": account["id"],
        "allocation": "20000",
    }
    deployment = trader.post("/deployments", body)
    tell("deploy", deployment=deployment["id"], status=deployment["status"])
    snapshot = watch(trader, account["id"])
    tell("live", equity=snapshot["account"]["equity"], positions=len(snapshot["positions"]))
    scope = f"deployment:{deployment['id']}"
    began = time.monotonic()
    halted = trader.post("/halts", {"scope": scope, "reason": "Trying the brake."})
    spent = round(time.monotonic() - began, 3)
    left = halted["open_after"]
    tell("halt", scope=scope, is_halted=halted["is_halted"], open_after=left, seconds=spent)
    asked = trader.post("/halts/resume", {"scope": scope, "reason": "The brake works."})
    agreed = manager.decide(asked["proposal_id"], "approve", "Read back: no order is left open.")
    halts = trader.get("/halts", halted_only=True)["items"]
    still = scope in [row["scope"] for row in halts]
    tell("resume", scope=scope, status=agreed["status"], is_halted=still)


def watch(trader: Person, account: int, seconds: float = 120) -> dict[str, Any]:
    """Wait until the deployment holds positions: momentum decides at the end of a month."""
    until = time.monotonic() + seconds
    snapshot: dict[str, Any] = trader.get(f"/accounts/{account}/snapshot")
    while not snapshot["positions"] and time.monotonic() < until:
        time.sleep(1)
        snapshot = trader.get(f"/accounts/{account}/snapshot")
    return snapshot


def main(path: str) -> None:
    """Walk through the whole lab."""
    credentials = json.loads(Path(path).read_text(encoding="utf-8"))
    people = {
        user["role"]: Person(credentials["base_url"], user["token"], user["totp_secret"])
        for user in credentials["users"]
    }
    tell("data", universes=[u["name"] for u in people["viewer"].get("/universes")["items"]])
    run = research(people["researcher"])
    forge(people["researcher"])
    probe(people["researcher"], run)
    proposal = govern(people["researcher"], people["validator"], run)
    trade(people["trader"], people["risk_manager"], proposal)
    time.sleep(1)
    tell("ledger", **people["auditor"].get("/audit/head"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".lab/credentials.json")
