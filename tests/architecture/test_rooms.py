"""Every module of an app is one of the house's rooms."""

from pathlib import Path

APPS = Path(__file__).parents[2] / "apps"
ROOMS = {
    "admin",
    "api",
    "apps",
    "backends",
    "brokers",
    "charts",
    "checks",
    "consumers",
    "errors",
    "forms",
    "kernel",
    "learners",
    "library",
    "llms",
    "management",
    "migrations",
    "models",
    "providers",
    "receivers",
    "routing",
    "sandbox",
    "schemas",
    "selectors",
    "services",
    "sql",
    "store",
    "tasks",
    "urls",
    "views",
}
FORBIDDEN = {"utils", "helpers", "common", "manager", "misc", "util", "helper"}


def strangers():
    for app in sorted(APPS.iterdir()):
        if not app.is_dir() or app.name in {"core", "__pycache__"}:
            continue
        for path in sorted(app.iterdir()):
            if path.name not in {"__pycache__", "__init__.py"} and path.stem not in ROOMS:
                yield str(path.relative_to(APPS))


def test_every_module_is_a_room_of_the_house():
    assert list(strangers()) == []


def test_no_module_is_a_lumber_room():
    names = [p for p in APPS.rglob("*.py") if p.stem in FORBIDDEN]
    assert names == []
