"""The OpenAPI document changes only on purpose: the snapshot is renewed in the same commit.

Renew it by ``manage.py openapi > tests/data/openapi.json``.
"""

import collections
import inspect
import json
from io import StringIO
from pathlib import Path
from typing import get_args

from django.core.management import call_command
from pydantic import BaseModel

from quantsite.api import api

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


def shapes(model, seen):
    """Every schema class that ``model`` is made of, itself included."""
    for kind in (model, *get_args(model)):
        if not (inspect.isclass(kind) and issubclass(kind, BaseModel)):
            if kind is not model:
                shapes(kind, seen)
            continue
        if kind not in seen:
            seen.add(kind)
            for field in kind.model_fields.values():
                shapes(field.annotation, seen)
    return seen


def test_no_two_shapes_share_a_name():
    named = collections.defaultdict(set)
    for _, router in api._routers:
        for view in router.path_operations.values():
            for operation in view.operations:
                given = [p for p in operation.models if p]
                answers = [m for m in operation.response_models.values() if inspect.isclass(m)]
                for kind in shapes(tuple[(*given, *answers)], set()):
                    # What ninja makes around the parameters never stands in the document.
                    if kind.__module__.startswith("apps."):
                        named[kind.__name__].add(kind)
    assert len(named) > 150
    assert not {name: kinds for name, kinds in named.items() if len(kinds) > 1}
