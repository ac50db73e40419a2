"""The OpenAPI document changes only on purpose: the snapshot is renewed in the same commit.

Renew it by ``manage.py openapi > tests/data/openapi.json``.
"""

import json
from io import StringIO
from pathlib import Path

from django.core.management import call_command

SNAPSHOT = Path(__file__).parents[1] / "data" / "openapi.json"


def test_openapi_document_equals_its_snapshot():
    printed = StringIO()
    call_command("openapi", stdout=printed)
    now, then = json.loads(printed.getvalue()), json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert sorted(now["paths"]) == sorted(then["paths"])
    assert now == then, "run: manage.py openapi > tests/data/openapi.json"


def test_operation_ids_are_unique():
    printed = StringIO()
    call_command("openapi", stdout=printed)
    paths = json.loads(printed.getvalue())["paths"]
    ids = [op["operationId"] for methods in paths.values() for op in methods.values()]
    assert len(ids) == len(set(ids))
