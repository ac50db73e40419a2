"""The settings of backtests that can be changed at run time."""

from __future__ import annotations

from typing import Any

from apps.approvals.kernel.fields import CHOICE, Field
from apps.approvals.kernel.setting_specs import Spec, register

SHARING = "sharing.enabled"
WORDS = (("true", "allowed"), ("false", "off"))


def _check_truth(value: Any) -> None:
    if not isinstance(value, bool):
        message = f"{value!r} is neither true nor false"
        raise ValueError(message)  # noqa: TRY004 how a setting refuses a value


register(
    Spec(
        key=SHARING,
        label="Links by which people outside read the sheet of a run",
        default=True,
        check=_check_truth,
        hint="while off, none is made and none of those there are lets anybody in",
        fields=lambda _: (Field("value", "Links", kind=CHOICE, choices=WORDS),),
    )
)
