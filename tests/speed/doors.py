"""``CASES`` (100) Schemathesis cases of each kind for each operation, and every hostile value.

``SEED`` chooses others, ``ONLY`` (a pattern) some operations, ``SECONDS_AT_MOST`` ends it sooner.
One JSON line tells what was answered wrongly; the exit code is 1 when anything was.
"""

import json
import os
import random
import re
import sys
import time
from datetime import UTC, datetime

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROLES = ("admin", "researcher", "trader", "risk_manager", "validator", "auditor", "viewer")


def main():
    """Ask on servers of our own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "quantsite.settings.test"
    os.environ.setdefault("QUANTSITE_ENV", "test")
    import django

    django.setup()
    from django.test.utils import setup_test_environment

    from tests.speed.own_servers import own_servers

    setup_test_environment()
    with own_servers("doors") as running:
        row = tried(running)
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
    return 1 if row["wrong"] else 0


def tried(running):
    import logging

    from apps.audit.services import packing
    from apps.core.actors import system
    from apps.market import services
    from tests.factories.stage import OPERATIONS, staged

    logging.disable(logging.CRITICAL)
    packing.WAIT_SECONDS = 0.0
    services.load_sample(actor=system("soak"), now=NOW)
    began, only = time.monotonic(), os.environ.get("ONLY", "")
    until = began + float(os.environ.get("SECONDS_AT_MOST") or "inf")
    asked, wrong = 0, []
    with staged(running) as stage:
        names = [name for name in OPERATIONS if re.search(only, name)]
        for name in names:
            if time.monotonic() >= until:
                break
            asked += 1
            wrong += problems_at(stage, name)
    return {
        "row": "doors",
        "operations": asked,
        "of": len(names),
        "wrong": len(wrong),
        "which": wrong[:50],
        "seconds": round(time.monotonic() - began, 1),
    }


def problems_at(stage, name):
    """What one operation answers wrongly, to each of two roles where two may ask."""
    from tests.factories.fuzzing import problems_of
    from tests.factories.recipes import MAY
    from tests.factories.stage import OPERATIONS

    count, seed = int(os.environ.get("CASES") or 100), int(os.environ.get("SEED") or 1)
    may = [role for role in ROLES if OPERATIONS[name] in MAY[role] | {"public"}][:2]
    wrong = []
    for role in may:
        things = stage.own.things
        wrong += problems_of(name, stage.rest[role], things, count=count, seed=seed)
    return wrong + failures_at(stage, name, may[0], random.Random(seed))  # noqa: S311


def failures_at(stage, name, role, rng):
    """Which hostile values in address, query and body make an operation fail."""
    from tests.factories.fuzzing import asks_to_wait
    from tests.factories.stage import ask

    method, failed = name.split(" ", 1)[0], []
    for address, options in attempts(name, stage.own.things, rng):
        answer = ask(stage.rest[role], method, f"/api/v1{address}", **options)
        if answer.status_code >= 500 and not asks_to_wait(answer):
            failed.append(f"{answer.status_code} {method} {address[:300]} {str(options)[:300]}")
    return failed


def attempts(name, things, rng):
    """Every address with what is sent there: one hostile value each."""
    from tests.factories.doors import filled, resolved
    from tests.factories.recipes import BODIES, QUERIES

    place = name.split(" ", 1)[1]
    query = str(resolved(QUERIES.get(name, ""), things))
    body = resolved(BODIES[name], things) if name in BODIES else None
    given = {} if body is None else sent(json.dumps(body))
    for address in addresses(name, place, query, things):
        yield address, given
    if body is not None:
        for options in bodies(body, rng):
            yield f"{filled(place, things)}?{query}", options


def addresses(name, place, query, things):
    from tests.factories.doors import asked_for, filled
    from tests.factories.fuzzing import described
    from tests.factories.hostility import TEXTS, in_address

    for token, _ in asked_for(place):
        address = filled(place.replace(token, "@@"), things)
        for text in filter(None, TEXTS):
            yield f"{address.replace('@@', in_address(text))}?{query}"
    for parameter in described()[name].query:
        others = [part for part in query.split("&") if not part.startswith(f"{parameter.name}=")]
        for text in TEXTS:
            pair = f"{parameter.name}={in_address(text)}"
            yield f"{filled(place, things)}?{'&'.join([*others, pair])}"


def bodies(body, rng):
    from tests.factories import hostility

    for _, altered in hostility.altered(body):
        yield sent(hostility.written(altered))
    for raw in hostility.RAW:
        yield {"data": raw, "content_type": rng.choice(hostility.KINDS)}


def sent(text):
    return {"data": text, "content_type": "application/json"}


if __name__ == "__main__":
    sys.exit(main())
