"""The first start of a lab: demo team, bundled data, paper account, credentials.json."""

from __future__ import annotations

import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts import services as accounts
from apps.accounts.selectors import actor_of_user, find_user
from apps.core import clock
from apps.core.actors import system
from apps.core.lab.home import Home, write_private
from apps.market import services as market
from apps.trading import services as trading


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
        home = Home(settings.LAB_HOME)
        credentials = {"base_url": settings.SITE_URL, "users": people}
        write_private(home.root / "credentials.json", json.dumps(credentials, indent=1))
        self.tell("credentials", began)

    def tell(self, part: str, began: float) -> None:
        """Say that a part is done."""
        self.stdout.write(f"{part} after {time.perf_counter() - began:.1f} s")
