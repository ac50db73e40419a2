"""The forge: a search is stored, run by a worker, and listed with what it cost in trials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from django.db import transaction

from apps.assistant import selectors
from apps.assistant.kernel import prompts, wording
from apps.assistant.kernel.genetic import Outcome, pick
from apps.assistant.kernel.genetic import Search as GeneticSearch
from apps.assistant.kernel.plan import Plan, check_plan, cut_of, meets
from apps.assistant.kernel.scoring import Judge, best_of_luck
from apps.assistant.kernel.trees import plain
from apps.assistant.models import Hypothesis, Search
from apps.assistant.services.models import ask_models
from apps.audit.services import record
from apps.backtests.services import count_search
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Invalid, NotFound
from apps.core.models import Job
from apps.market import selectors as market
from apps.market import services as market_services
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions import (
    EXTRAS,
    FIELDS,
    Node,
    describe,
    lookback,
    parse,
    render,
)

# A search is counted each time so many more expressions were tried.
COUNTED_EVERY = 20


@dataclass(slots=True)
class _Counted:
    """Puts what a search has tried so far into the ledger of trials."""

    actor: Actor
    search: Search
    unread: int
    progress: jobs.Progress
    kept: int = 0

    def tell(self, tried: int) -> None:
        """Hear how many expressions were tried by now."""
        if tried >= self.kept + COUNTED_EVERY:
            self.keep(tried)

    def keep(self, tried: int) -> None:
        """Count so many expressions, and those that could not be read."""
        count_search(
            actor=self.actor,
            search_id=self.search.pk,
            trials=tried + self.unread,
            now=self.progress.now(),
        )
        self.kept = tried


@dataclass(frozen=True, slots=True)
class _Read:
    """A proposal that parsed."""

    node: Node
    statement: str
    reason: str


def find_hypotheses(*, actor: Actor, request: dict[str, Any], now: datetime) -> tuple[Search, Job]:
    """Store a search and queue it.

    Parameters
    ----------
    request
        ``universe``, ``timeframe``, ``start``, ``end`` and any setting of ``kernel.plan.Plan``.

    Raises
    ------
    Invalid, NotFound
        For settings out of range, reversed dates, an unknown universe; nothing is stored then.
    """
    actor.require("research.write")
    asked = dict(request)
    name = str(asked.pop("universe", ""))
    start, end = _day("start", asked.pop("start", None)), _day("end", asked.pop("end", None))
    timeframe = asked.pop("timeframe", None) or ""
    plan = check_plan(asked)
    universe = market.get_universe(team_id=actor.team, name=name)
    if start and end and start >= end:
        message = f"start {start} is not before end {end}; swap or change them."
        raise Invalid(message, code="dates.reversed", details={"field": "start"})
    if len(universe.symbols) < selectors.FEWEST:
        found, fewest = len(universe.symbols), selectors.FEWEST
        message = f"{name} has {found} instruments; ranking needs {fewest} or more."
        raise Invalid(message, code="search.too_few", details={"field": "universe"})
    with transaction.atomic():
        search = Search.objects.create(
            team_id=actor.team,
            universe=name,
            timeframe=timeframe or universe.timeframe,
            start_on=start,
            end_on=end,
            plan=plan.as_json(),
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        job = jobs.enqueue(
            actor=actor,
            kind="search",
            title=f"Hypotheses in {name}",
            task="assistant.search",
            queue="ai",
            payload={"search_id": search.pk},
            now=now,
            subject=f"search:{search.pk}",
        )
        search.job_id = job.pk
        search.save(update_fields=["job_id"])
        body = {"universe": name, "timeframe": search.timeframe, "plan": search.plan}
        subject = f"search:{search.pk}"
        record(actor=actor, action="search.created", subject=subject, body=body, now=now)
    return search, job


def run_search(progress: jobs.Progress) -> dict[str, Any]:
    """Do a stored search. Begun again, it starts over; once finished, it answers the same."""
    search = Search.objects.filter(pk=progress.payload["search_id"]).first()
    if search is None:
        raise NotFound("The search was deleted.", code="search.not_found")
    if search.finished_at is not None:
        return _answer(search)
    actor = system("forge", search.team_id)
    plan = check_plan(search.plan)
    progress.tell(0, 1, "reading bars")
    panel = market.read_panel(
        team_id=search.team_id,
        timeframe=search.timeframe,
        start=search.start_on,
        end=search.end_on,
        universe=search.universe,
        cached=True,
    )
    cut = cut_of(panel.n_bars, plan.split)
    ideas = _ideas(actor, search, plan, panel, cut, progress)
    read, unread = _read(ideas, panel)
    counted = _Counted(actor, search, unread, progress)
    seeds = [idea.node for idea in read.values()]
    outcome = _search(plan, panel.rows(0, cut), seeds, counted, progress)
    chosen = pick(outcome, plan.candidates)
    rows = _rows(search, plan, panel, cut, outcome, chosen, read, progress)
    return _keep(actor, search, rows, _summary(panel, cut, outcome, unread), panel, progress.now())


def _ideas(
    actor: Actor, search: Search, plan: Plan, panel: Panel, cut: int, progress: jobs.Progress
) -> list[dict[str, str]]:
    """Return what models proposed, asked once per search; nothing without a model."""
    if search.ideas is not None:
        return list(search.ideas)
    found: list[dict[str, str]] = []
    if plan.use_model and selectors.configured_models():
        progress.tell(0, 1, "asking a language model")
        answer = ask_models(
            actor=actor,
            instructions=prompts.instructions(),
            prompt=prompts.prompt(
                universe=search.universe,
                symbols=panel.symbols,
                timeframe=panel.timeframe,
                start=_iso(panel.ts[0]),
                end=_iso(panel.ts[cut - 1]),
                days=plan.rebalance_days,
                long_short=plan.long_short,
                costs_bps=plan.fee_bps + plan.slippage_bps,
                idea=plan.idea,
                ideas=plan.ideas,
            ),
            clock=progress.now,
            search_id=search.pk,
        )
        if answer is not None:
            found = [idea.model_dump() for idea in answer.ideas]
            search.model = f"{answer.provider} {answer.model}"[:120]
    search.ideas = found
    search.save(update_fields=["ideas", "model"])
    return found


def _read(ideas: list[dict[str, str]], panel: Panel) -> tuple[dict[Node, _Read], int]:
    """Return the proposals that parse and read only data there is, and how many do not."""
    extras = [name for name in EXTRAS if name in panel.extras]
    read: dict[Node, _Read] = {}
    failed: set[str] = set()
    for idea in ideas:
        try:
            node = plain(parse(idea["expression"], extras))
        except Invalid:
            failed.add(idea["expression"])
            continue
        read.setdefault(node, _Read(node, idea["statement"], idea["economic_reason"]))
    return read, len(failed)


def _search(
    plan: Plan, early: Panel, seeds: list[Node], counted: _Counted, progress: jobs.Progress
) -> Outcome:
    """Search on the in-sample bars alone: nothing else is handed over."""
    judge = Judge(early, plan.portfolio, plan.objective)
    chance = np.random.default_rng(plan.seed)
    search = GeneticSearch(judge.score, chance, plan.settings, tuple(FIELDS))
    last = plan.candidates

    def tell(done: int, total: int, note: str) -> None:
        counted.tell(len(search.known))
        progress.tell(done, total + last, note)

    try:
        return search.run(seeds, tell)
    finally:
        # However it ends, what was tried was tried; of a killed worker the last few are not told.
        counted.keep(len(search.known))


def _rows(
    search: Search,
    plan: Plan,
    panel: Panel,
    cut: int,
    outcome: Outcome,
    chosen: list[Node],
    read: dict[Node, _Read],
    progress: jobs.Progress,
) -> list[Hypothesis]:
    """Look out of sample, once, at the candidates that are going to be listed."""
    judge = Judge(panel, plan.portfolio, plan.objective)
    total = plan.settings.evaluations + plan.candidates
    rows = []
    for place, node in enumerate(chosen, start=1):
        note = f"out of sample, candidate {place} of {len(chosen)}"
        progress.tell(plan.settings.evaluations + place - 1, total, note)
        later = judge.after(node, cut)
        idea = read.get(node)
        rows.append(
            Hypothesis(
                team_id=search.team_id,
                search=search,
                place=place,
                statement=idea.statement
                if idea
                else wording.statement(node, plan.rebalance_days, long_short=plan.long_short),
                economic_reason=idea.reason if idea else wording.reason(node),
                origin=search.model if idea else "genetic search",
                expression=render(node),
                words=describe(node),
                lookback=lookback(node),
                criteria=plan.criteria,
                in_sample=outcome.scores[node].figures,
                out_of_sample=later,
                meets_criteria=meets(later, plan.criteria),
                trials=outcome.trials,
            )
        )
    return rows


def _summary(panel: Panel, cut: int, outcome: Outcome, unread: int) -> dict[str, Any]:
    found = [score.figures["sharpe"] for score in outcome.scores.values()]
    sharpes = np.array([value for value in found if value is not None])
    return {
        "trials": outcome.trials + unread,
        "failed": outcome.failed + unread,
        "unread": unread,
        "bars": panel.n_bars,
        "instruments": panel.n_assets,
        "in_sample": [_iso(panel.ts[0]), _iso(panel.ts[cut - 1])],
        "out_of_sample": [_iso(panel.ts[cut]), _iso(panel.ts[-1])],
        "best_of_luck": best_of_luck(sharpes, outcome.trials + unread),
        "survivorship": panel.survivorship,
    }


def _keep(
    actor: Actor,
    search: Search,
    rows: list[Hypothesis],
    summary: dict[str, Any],
    panel: Panel,
    now: datetime,
) -> dict[str, Any]:
    """Store what was found; of two workers that finish the same search, the first one counts."""
    with transaction.atomic():
        locked = Search.objects.select_for_update().get(pk=search.pk)
        if locked.finished_at is not None:
            return _answer(locked)
        for row in rows:
            row.created_at, row.trials = now, summary["trials"]
        Hypothesis.objects.bulk_create(rows)
        locked.trials, locked.summary = summary["trials"], summary
        locked.data_digest, locked.finished_at = panel.digest, now
        locked.save(update_fields=["trials", "summary", "data_digest", "finished_at"])
        subject = f"search:{locked.pk}"
        count_search(actor=actor, search_id=locked.pk, trials=locked.trials, now=now)
        market_services.register_reader(
            subject=subject,
            digest=locked.data_digest,
            now=now,
            team_id=locked.team_id,
            panel=panel,
        )
        body = {
            "trials": locked.trials,
            "data_digest": locked.data_digest,
            "expressions": [row.expression for row in rows],
        }
        record(actor=actor, action="search.finished", subject=subject, body=body, now=now)
    return _answer(locked)


def _answer(search: Search) -> dict[str, Any]:
    return {
        "search_id": search.pk,
        "trials": search.trials,
        "found": search.hypotheses.count(),
        "url": f"/assistant/searches/{search.pk}/",
    }


def _day(name: str, value: Any) -> date | None:
    if value in (None, ""):
        return None
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError as error:
        message = f"{name} = {value!r} is not a date; write it as 2020-01-31."
        raise Invalid(message, code="dates.unreadable", details={"field": name}) from error


def _iso(microseconds: Any) -> str:
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC).date().isoformat()
