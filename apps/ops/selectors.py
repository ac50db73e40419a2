"""Is it alive: every subsystem asked, in words and with advice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min, Q

from apps.audit import selectors as audit
from apps.backtests.selectors import mirrors as backtests
from apps.core import alive, jobs, tenancy
from apps.core.errors import LabError, NotFound
from apps.core.live import client as redis_client
from apps.core.models import Job
from apps.market import selectors as market
from apps.market.selectors import storage
from apps.ops.kernel.health import State, judge_lag, judge_processes, judge_served, worst
from apps.ops.kernel.risk_health import judge_gradings, judge_live, judge_watch
from apps.ops.models import Alert, HealthSample
from apps.risk.selectors import health as risk_health
from apps.strategies import selectors as strategies
from apps.trading import selectors as trading

MEND = {
    "worker": "Start a worker: celery -A celery_worker.app worker -Q trading,io,compute,ai,mail.",
    "scheduler": "Start the scheduler: celery -A celery_worker.app beat.",
    "sequencer": "Start the ledger's sequencer: manage.py sequence_audit.",
    "stream": "Start the stream process: manage.py stream.",
}
QUEUES = ("trading", "io", "compute", "ai", "mail")
NEEDED = {"worker": 1, "scheduler": 1, "sequencer": 1, "stream": 1}
QUEUE_DEGRADED_SECONDS = 60.0
QUEUE_DOWN_SECONDS = 600.0
LEDGER_DEGRADED_SECONDS = 5.0
LEDGER_DOWN_SECONDS = 60.0
FEED_DEGRADED_SECONDS = 30.0


def check_database() -> State:
    """Ask the database a question and tell what it offers."""
    started = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version'),"
                " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),"
                " current_setting('timescaledb.license', true)"
            )
            version, timescale, licence = cursor.fetchone()
    except DatabaseError as error:
        advice = "Start PostgreSQL, or correct DATABASE_URL; the lab reconnects by itself."
        return State("database", "down", f"no answer: {type(error).__name__}", advice)
    latency = (time.perf_counter() - started) * 1000
    edition = f"TimescaleDB {timescale}, {offers(licence)}" if timescale else "plain tables"
    detail = {"postgresql": version, "timescaledb": timescale, "license": licence}
    return State("database", "ok", f"PostgreSQL {version}, {edition}", "", latency, detail)


def offers(licence: str) -> str:
    """Return what an edition of TimescaleDB has to offer, by its licence."""
    if licence == "timescale":
        return "Community: hypertables, compression, retention, continuous aggregates"
    return f"{licence} edition: hypertables only"


def check_migrations() -> State:
    """Compare the schema with the code; once equal it is not asked again in this process."""
    try:
        pending = _pending_migrations()
    except DatabaseError:
        return State("schema", "down", "the database does not answer", "Start PostgreSQL.")
    if pending:
        return State("schema", "down", f"{pending} migrations to run", "Run manage.py migrate.")
    return State("schema", "ok", "up to date")


def _pending_migrations() -> int:
    return 0 if _is_migrated() else len(_plan())


def _plan() -> list[Any]:
    executor = MigrationExecutor(connection)
    return list(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@lru_cache(maxsize=1)
def _migrated_once() -> dict[str, bool]:
    return {"done": False}


def _is_migrated() -> bool:
    known = _migrated_once()
    known["done"] = known["done"] or not _plan()
    return known["done"]


def check_redis() -> State:
    """Ask Redis."""
    started = time.perf_counter()
    try:
        redis_client().ping()
    except redis.RedisError as error:
        advice = "Start Redis, or correct REDIS_URL; queued jobs are kept in the database."
        return State("redis", "down", f"no answer: {type(error).__name__}", advice)
    return State("redis", "ok", "answers", latency_ms=(time.perf_counter() - started) * 1000)


def check_processes() -> list[State]:
    """Count the processes that told lately that they live, and the queues somebody serves."""
    try:
        processes = alive.list_processes()
    except redis.RedisError:
        return [State(kind, "unknown", "Redis is away", "Start Redis.") for kind in NEEDED]
    seen = Counter(process.kind for process in processes)
    served = {queue for process in processes for queue in process.detail.get("queues", [])}
    states = judge_processes(dict(seen), NEEDED, mend=MEND)
    return [judge_served(states[0], served, QUEUES, advice=MEND["worker"]), *states[1:]]


def check_queues(now: datetime) -> State:
    """Look at how long the oldest queued job has been waiting."""
    try:
        open_jobs = Job.objects.filter(status="queued").aggregate(
            n=Count("pk"), at=Min("created_at")
        )
    except DatabaseError:
        return State("queues", "unknown", "the database does not answer", "Start PostgreSQL.")
    lag = (now - open_jobs["at"]).total_seconds() if open_jobs["at"] else None
    state = judge_lag(
        "queues",
        lag,
        degraded=QUEUE_DEGRADED_SECONDS,
        down=QUEUE_DOWN_SECONDS,
        advice="Add a worker, or look at the jobs that run.",
    )
    return State(
        "queues", state.status, f"{open_jobs['n']} waiting, {state.summary}", state.advice
    )


def check_ledger(now: datetime) -> State:
    """Look at how long the oldest event waits for its place, and that no event was lost."""
    try:
        lag, lost = audit.lag_seconds(now=now), audit.find_rollback()
    except DatabaseError:
        return State("ledger", "unknown", "the database does not answer", "Start PostgreSQL.")
    if lost is not None:
        advice = "Reconcile on the Audit page, or manage.py reconcile_ledger; trading is halted."
        return State("ledger", "down", lost.says, advice)
    return judge_lag(
        "ledger",
        lag,
        degraded=LEDGER_DEGRADED_SECONDS,
        down=LEDGER_DOWN_SECONDS,
        advice=MEND["sequencer"],
    )


def check_backups() -> State:
    """Tell what the last restore drill came to."""
    try:
        last = audit.last_drill()
    except DatabaseError:
        return State("backups", "unknown", "the database does not answer", "Start PostgreSQL.")
    if last is None:
        return State("backups", "ok", "no backup has been restored for trial yet")
    found = last.content
    if found["problems"]:
        words = f"{found['file']} can't be relied on: {found['problems'][0]}"
        advice = "Make another with make backup, and try it: manage.py drill_restore."
        return State("backups", "degraded", words[:200], advice)
    words = f"{found['file']} was restored for trial on {last.at:%Y-%m-%d}: {found['rows']} rows"
    return State("backups", "ok", words)


def check_data(now: datetime) -> State:
    """Look at the feeds that should move, and at universes whose bars got worse."""
    try:
        running, fallen = market.list_running_feeds(), market.list_fallen(now=now)
    except DatabaseError:
        return State("data", "unknown", "the database does not answer", "Start PostgreSQL.")
    limit = timedelta(seconds=FEED_DEGRADED_SECONDS)
    stale = [feed.name for feed in running if now - feed.updated_at > limit]
    if stale:
        advice = "Look at the stream process; a paused feed is started again on the Data page."
        return State("data", "degraded", f"feeds stand still: {', '.join(stale)}", advice)
    if fallen:
        advice = "Look at the findings of these universes on the Data page, and repair them."
        words = f"{len(running)} feeds move; {_fallen(fallen)}"
        return State("data", "degraded", words, advice)
    return State("data", "ok", f"{len(running)} feeds move, no universe got worse")


def _fallen(found: list[dict[str, Any]]) -> str:
    """Name shared universes only: everybody sees this, and a team's are its own."""
    shared = [item["name"] for item in found if item["team_id"] is None]
    named = f": {', '.join(shared)}" if shared else ""
    noun = "universe" if len(found) == 1 else "universes"
    return f"the bars of {len(found)} {noun} got worse{named}"


def check_storage() -> State:
    """Tell how the server keeps bars: what of it is on, off, or not offered."""
    try:
        found = storage.get_storage()
    except DatabaseError:
        return State("storage", "unknown", "the database does not answer", "Start PostgreSQL.")
    status, words, advice = storage.judge_storage(found)
    return State("storage", status, words, advice, detail=storage.storage_as_dict(found))


def check_ai() -> State:
    """Tell which language models have a key; none is needed."""
    keyed = [name for name in ("OPENAI_API_KEY", "GROQ_API_KEY") if getattr(settings, name, "")]
    if not keyed:
        return State("ai", "ok", "no model key: the local search works alone")
    return State("ai", "ok", f"keys: {', '.join(keyed)}")


def check_sandbox() -> State:
    """Tell whether users' Python can run; the lab does without."""
    found = strategies.sandbox_status_if_made()
    if found is None:
        return State("sandbox", "ok", "not used yet: it is made and tried on first use")
    if not found.holds:
        advice = "Python strategies are refused until it holds; see docs/SANDBOX.md."
        return State("sandbox", "ok", f"does not hold: {found.why}"[:300], advice)
    words = f"tier {found.tier}: {len(found.checks)} attempts to break out failed"
    advice = f"Live trading by texts needs tier A; {found.why}." if found.why else ""
    detail = {"uid": found.uid, "guard": found.guard, **found.fences}
    return State("sandbox", "ok", words, advice[:300], detail=detail)


def check_mlflow() -> list[State]:
    """Tell how far runs are mirrored; nothing where no server is configured."""
    if not settings.MLFLOW_TRACKING_URI:
        return []
    advice = "Nothing of the lab waits for it. manage.py mlflow_mirror --all tries all again."
    try:
        backtests.mirror_address()
    except LabError as error:
        return [State("mlflow", "degraded", error.message[:300], advice)]
    found = backtests.mirror_counts()
    words = f"{found['done']} runs mirrored, {found['waiting']} wait, {found['refused']} refused"
    if found["refused"] or (found["waiting"] and found["error"]):
        return [State("mlflow", "degraded", f"{words}: {found['error']}"[:300], advice)]
    return [State("mlflow", "ok", words)]


def check_risk() -> State:
    """Tell whether anything is halted."""
    try:
        halted = trading.list_halted_scopes()
    except DatabaseError:
        return State("risk", "unknown", "the database does not answer", "Start PostgreSQL.")
    if halted:
        advice = "Trading there waits for a RESUME with a reason."
        return State("risk", "degraded", f"{len(halted)} scopes halted", advice)
    return State("risk", "ok", "nothing halted")


def check_risk_parts(now: datetime) -> list[State]:
    """Tell what risk says of itself: halts, gradings, stops, how soon live risk is told."""
    return [check_risk(), check_gradings(now), check_watch(now), check_live_risk(now)]


def check_gradings(now: datetime) -> State:
    """Look at the age of each team's last nightly grading, and for red models in force."""
    try:
        gradings, found = risk_health.list_gradings(), risk_health.count_red()
    except DatabaseError:
        return State("risk_grades", "unknown", "the database does not answer", "Start PostgreSQL.")
    rows = [(one.team_id, one.at, one.status) for one in gradings]
    return judge_gradings(rows, red=found.red, books=found.books, now=now)


def check_watch(now: datetime) -> State:
    """Look at when the emergency stops were last looked at."""
    try:
        return judge_watch(risk_health.last_watched(), now=now)
    except redis.RedisError:
        return State("risk_stops", "unknown", "Redis is away", "Start Redis.")


def check_live_risk(now: datetime) -> State:
    """Look at how soon a change of risk is told."""
    try:
        told, waiting = risk_health.last_told(), risk_health.oldest_waiting()
    except redis.RedisError:
        return State("risk_live", "unknown", "Redis is away", "Start Redis.")
    at, lag = (told["at"], float(told["lag"])) if told else (None, 0.0)
    return judge_live(told_at=at, lag=lag, waiting_since=waiting, now=now)


CHECKS: dict[str, Callable[[datetime], list[State]]] = {
    "database": lambda _now: [check_database()],
    "schema": lambda _now: [check_migrations()],
    "redis": lambda _now: [check_redis()],
    "processes": lambda _now: check_processes(),
    "queues": lambda now: [check_queues(now)],
    "ledger": lambda now: [check_ledger(now)],
    "backups": lambda _now: [check_backups()],
    "data": lambda now: [check_data(now)],
    "storage": lambda _now: [check_storage()],
    "ai": lambda _now: [check_ai()],
    "sandbox": lambda _now: [check_sandbox()],
    "risk": check_risk_parts,
    "mlflow": lambda _now: check_mlflow(),
}
READY = ("database", "schema", "redis", "processes")


def get_health(now: datetime, names: tuple[str, ...] = tuple(CHECKS)) -> list[State]:
    """Return the state of every subsystem named: of the whole lab, whoever asks."""
    with tenancy.scope(tenancy.LAB):
        return [state for name in names for state in CHECKS[name](now)]


def get_module(name: str, now: datetime) -> State:
    """Return one subsystem. Raises ``NotFound`` for an unknown name."""
    for state in get_health(now):
        if state.name == name:
            return state
    names = ", ".join(state.name for state in get_health(now))
    raise NotFound(f"There is no subsystem {name!r}; there are: {names}.", code="health.unknown")


def as_dict(states: list[State], now: datetime) -> dict[str, Any]:
    """Return states as clients see them."""
    modules = [
        {
            "name": state.name,
            "status": state.status,
            "summary": state.summary,
            "advice": state.advice,
            "latency_ms": state.latency_ms,
        }
        for state in states
    ]
    return {"status": worst(states), "at": now.isoformat(), "modules": modules}


def list_history(*, since: datetime, name: str = "", limit: int = 500) -> list[dict[str, Any]]:
    """Return the samples since a time, newest first."""
    samples = HealthSample.objects.filter(at__gte=since)
    if name:
        samples = samples.filter(name=name)
    rows = samples.order_by("-at", "name")[:limit]
    return [
        {"at": row.at.isoformat(), "name": row.name, "status": row.status, "summary": row.summary}
        for row in rows
    ]


def latest_statuses() -> dict[str, str]:
    """Return each subsystem's status in the newest sample."""
    newest = HealthSample.objects.order_by("-at").values_list("at", flat=True).first()
    if newest is None:
        return {}
    return dict(HealthSample.objects.filter(at=newest).values_list("name", "status"))


def list_alerts(
    *, team_id: int | None, open_only: bool = True, kind: str = "", limit: int = 100
) -> list[Alert]:
    """Return the alerts of a team and those of the whole lab, the newest first."""
    wanted = Q(team_id=team_id) | Q(team=None)
    if open_only:
        wanted &= Q(ended_at__isnull=True)
    if kind:
        wanted &= Q(kind=kind)
    return list(Alert.objects.filter(wanted).order_by("-last_at", "-pk")[:limit])


def job_counts() -> dict[str, int]:
    """Return how many jobs are in each status."""
    rows = Job.objects.values("status").annotate(n=Count("pk"))
    return {row["status"]: row["n"] for row in rows}


def list_processes_seen(now: datetime) -> list[dict[str, Any]]:
    """Return the processes that told lately, with the seconds since."""
    try:
        processes = alive.list_processes()
    except redis.RedisError:
        return []
    return [
        {
            "kind": process.kind,
            "name": process.name,
            "seconds_ago": round((now - process.at).total_seconds(), 1),
            "detail": process.detail,
        }
        for process in processes
    ]


def list_open_jobs(team_id: int, now: datetime) -> list[dict[str, Any]]:
    """Return the team's unfinished jobs."""
    return [jobs.as_dict(job, now) for job in jobs.list_jobs(team_id=team_id, open_only=True)]
