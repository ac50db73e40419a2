"""Print the OpenAPI document: ``manage.py openapi > tests/data/openapi.json``."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, call_command


class Command(BaseCommand):
    """Prints the document that /api/v1/openapi.json serves, keys sorted."""

    help = "Print the OpenAPI document of the REST interface"

    def handle(self, *args: Any, **options: Any) -> None:
        call_command(
            "export_openapi_schema",
            api="quantsite.api.api",
            indent=1,
            sorted=True,
            stdout=self.stdout,
        )
