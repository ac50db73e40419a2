"""The first start of a lab: demo team, bundled data, paper account, credentials.json."""

from __future__ import annotations

import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts import services as accounts
from apps.accounts.selectors import actor_of_user, find_user
from apps.approvals import services as approvals
from apps.approvals.selectors import get_setting_view
from apps.core import clock
from apps.core.actors import system
from apps.core.lab.home import Home, write_private
from apps.market import services as market
from apps.trading import services as trading

GATES = "approvals.gates"
SHOWN = ("deflated_sharpe", "pbo")


def relax_gates(team_id: int) -> None:
    """Let the demo team try promotions with its few runs; its policy says so, and who set it.

    A team that has set its gates keeps them.
    """
    found = get_setting_view(team_id, GATES)
    if found.version:
        return
    gates = [{**row, "mode": "off"} if row["name"] in SHOWN else row for row in found.value]
    approvals.set_setting(
        actor=system("bootstrap", team_id),
        key=GATES,
        value=gates,
        note="demo: the figures of significance are shown, and bar nothing",
        now=clock.now(),
    )


class Command(BaseCommand):
    help = (
        "Make the demo team with an account per role, load the bundled market data, and write "
        "LAB_HOME/credentials.json. Done again, it gives the accounts new passwords and tokens."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, telling how long each part took."""
        if settings.ENVIRONMENT == "prod":
            message = (
                "Demo accounts are impossible under production settings. Make the first admin "
                "with manage.py create_admin."
            )
            raise CommandError(message)
        began = time.perf_counter()
        people = accounts.create_demo_team(now=clock.now())
        self.tell("demo team", began)
        market.load_sample(actor=system("bootstrap"), now=clock.now())
        self.tell("market data", began)
        someone = actor_of_user(find_user(people[0]["email"]))
        if someone is None:
            raise CommandError("The demo team was made, but its people can't be found.")
        trading.ensure_demo_accounts(actor=system("bootstrap", someone.team), now=clock.now())
        self.tell("paper accounts", began)
        relax_gates(someone.team)
        home = Home(settings.LAB_HOME)
        credentials = {"base_url": settings.SITE_URL, "users": people}
        write_private(home.root / "credentials.json", json.dumps(credentials, indent=1))
        self.tell("credentials", began)

    def tell(self, part: str, began: float) -> None:
        """Say that a part is done."""
        self.stdout.write(f"{part} after {time.perf_counter() - began:.1f} s")
