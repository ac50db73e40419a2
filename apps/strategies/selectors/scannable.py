"""Which strategies a scan asks: the library's, and texts of the team that people approved."""

from __future__ import annotations

from apps.core.errors import NotFound
from apps.strategies.kernel.user_code import digest_of_text
from apps.strategies.models import Strategy as StrategyRow
from apps.strategies.models import StrategyVersion
from apps.strategies.selectors.library import is_in_library, list_strategies
from apps.strategies.selectors.recipes import CODE, own_row
from apps.strategies.selectors.running import check_runnable, code_approval

MOST_OWN = 50


def list_scanned(team_id: int) -> list[str]:
    """Return what a scan without names asks.

    All of the library that follow a signal, and the newest text of each of the team's Python
    strategies, if people approved it.
    """
    library = [spec.name for spec in list_strategies() if not spec.passive]
    newest = StrategyVersion.objects.filter(
        team_id=team_id, strategy__kind=StrategyRow.Kind.PYTHON
    ).order_by("strategy_id", "-number")
    rows = newest.distinct("strategy_id")[:MOST_OWN]
    digests = [digest_of_text(row.source) for row in rows]
    own = [CODE + digest for digest in digests if code_approval(team_id, digest)]
    return [*library, *own]


def scanned_name(name: str, team_id: int) -> str:
    """Return what runs for a name: of the library, or the newest text of the team's strategy.

    Raises ``NotFound``; ``Conflict`` for a text that nobody approved.
    """
    found = name if is_in_library(name) else CODE + digest_of_text(_own(name, team_id).source)
    check_runnable(found, team_id)
    return found


def signal_name(name: str, team_id: int) -> str:
    """Return under which name signals are stored for a name. Raises ``NotFound``."""
    return name if is_in_library(name) else _own(name, team_id).strategy.name


def _own(name: str, team_id: int) -> StrategyVersion:
    if name.startswith(CODE):
        return own_row(name, team_id)
    rows = StrategyVersion.objects.select_related("strategy").filter(
        team_id=team_id, strategy__kind=StrategyRow.Kind.PYTHON, strategy__name=name
    )
    row = rows.order_by("-number").first()
    if row is None:
        message = (
            f"There is no strategy {name[:80]!r}, neither in the library nor a Python strategy of "
            "this team; see /strategies."
        )
        raise NotFound(message, code="plug.unknown", details={"field": "strategies"})
    return row
