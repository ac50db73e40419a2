"""Every page and REST operation of the lab says which permission it asks for."""

from django.urls import URLPattern, get_resolver

from apps.accounts.kernel.roles import PERMISSIONS
from apps.core.doors import PUBLIC
from quantsite.api import api

KNOWN = PERMISSIONS | {PUBLIC}


def pages(patterns, prefix=""):
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            if pattern.callback.__module__.startswith("apps."):
                yield path, pattern.callback
        else:
            yield from pages(pattern.url_patterns, path)


def operations():
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                yield f"{'/'.join(operation.methods)} {prefix}{path}", operation.view_func


def undeclared(doors):
    return [name for name, door in doors if getattr(door, "permission", None) not in KNOWN]


def test_every_page_declares_its_permission():
    doors = list(pages(get_resolver().url_patterns))
    assert len(doors) > 10
    assert undeclared(doors) == []


def test_every_rest_operation_declares_its_permission():
    doors = list(operations())
    assert len(doors) > 10
    assert undeclared(doors) == []


def test_rest_operations_that_change_things_are_never_public():
    writes = [(name, door) for name, door in operations() if not name.startswith("GET")]
    assert [name for name, door in writes if door.permission == PUBLIC] == []
