"""Settings as they hold now, and their versions."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.approvals.kernel.changes import changes_of
from apps.approvals.kernel.fields import Field
from apps.approvals.kernel.setting_specs import SPECS, Spec, find_spec
from apps.approvals.models import Setting
from apps.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting as it holds now; version 0 is the default."""

    key: str
    label: str
    value: Any
    unit: str
    hint: str
    version: int
    created_by: str
    created_at: datetime | None
    by_proposal: bool = False


def get_setting(team_id: int, key: str) -> Any:
    """Return a setting's value as it holds now. Raises ``Invalid`` for an unknown key."""
    return get_setting_view(team_id, key).value


def get_setting_view(team_id: int, key: str) -> SettingView:
    """Return a setting with its version. Raises ``Invalid`` for an unknown key."""
    row = Setting.objects.filter(team_id=team_id, key=key).order_by("-version").first()
    return _setting_view(get_spec(key), row)


def get_spec(key: str) -> Spec:
    """Return a setting's description. Raises ``Invalid`` for an unknown key."""
    try:
        return find_spec(key)
    except ValueError as error:
        raise Invalid(f"{error}.", code="setting.unknown", details={"field": "key"}) from error


def fields_of(view: SettingView) -> tuple[Field, ...]:
    """Return the fields of a setting's form, by its description; none for one without."""
    return get_spec(view.key).fields(view.value)


def list_settings(team_id: int) -> list[SettingView]:
    """Return every setting as it holds now, by key."""
    newest = Setting.objects.filter(team_id=team_id).order_by("key", "-version").distinct("key")
    rows = {row.key: row for row in newest}
    return [_setting_view(SPECS[key], rows.get(key)) for key in sorted(SPECS)]


def change_page(team_id: int, key: str, value: Any) -> dict[str, Any]:
    """Return a setting with what a new value would change, for who is to confirm it."""
    view = get_setting_view(team_id, key)
    return {"setting": view, "changes": changes_of(view.value, value)}


def list_changeable() -> list[str]:
    """Return the keys that who may write settings changes alone; the others are policies."""
    return [key for key, spec in SPECS.items() if not spec.by_proposal]


def list_setting_versions(team_id: int, key: str) -> QuerySet[Setting]:
    """Return the versions of a setting, newest first. Raises ``Invalid`` for an unknown key."""
    get_spec(key)
    return Setting.objects.filter(team_id=team_id, key=key).order_by("-version")


def list_recent_versions(team_id: int, limit: int = 50) -> list[Setting]:
    """Return the newest versions of all settings."""
    return list(Setting.objects.filter(team_id=team_id).order_by("-created_at", "-id")[:limit])


def _setting_view(spec: Spec, row: Setting | None) -> SettingView:
    return SettingView(
        key=spec.key,
        label=spec.label,
        value=row.value if row else deepcopy(spec.default),
        unit=spec.unit,
        hint=spec.hint,
        version=row.version if row else 0,
        created_by=row.created_by if row else "",
        created_at=row.created_at if row else None,
        by_proposal=spec.by_proposal,
    )
