"""``RACES`` (10,000) races of six at proposals: double and self vote, for and against, edit.

``SECONDS_AT_MOST`` ends it sooner. One JSON line tells how many violated a rule; the exit code is
1 when any did.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def main():
    """Race on servers of our own."""
    races = int(os.environ.get("RACES") or 10_000)
    os.environ["DJANGO_SETTINGS_MODULE"] = "quantsite.settings.test"
    os.environ.setdefault("QUANTSITE_ENV", "test")
    import django

    django.setup()
    from django.conf import settings

    from tests.speed.own_servers import own_servers

    settings.DECISION_EFFECTS = {}
    with own_servers("races"):
        row = race(races)
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
    return 1 if row["violations"] else 0


def race(races):
    from tests.factories import people
    from tests.factories.racing import Table

    table = Table(people.make_team(), NOW)
    began = time.monotonic()
    until = began + float(os.environ.get("SECONDS_AT_MOST") or "inf")
    found = {}
    try:
        for number in range(races):
            if time.monotonic() >= until:
                break
            found[number] = table.race(number)
    finally:
        table.close()
    wrong = {number: words for number, words in found.items() if words}
    return {
        "row": "approval_races",
        "races": len(found),
        "actors": 6,
        "violations": len(wrong),
        "which": dict(list(wrong.items())[:20]),
        "outcomes": table.outcomes,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
