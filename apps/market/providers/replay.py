"""Stored bars handed out as a venue would: only those that have closed by the replay's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apps.market.providers.base import Capabilities, Fetched, Listing, Request, Section, Task
from apps.market.providers.sample import FILES, SampleProvider

LIVE_SECTIONS = ("sp500", "long-history", "crypto-binance", "crypto-bybit")


class ReplayProvider:
    """The sample behind a clock: a task without ``until`` gets nothing, never the future.

    Parameters
    ----------
    folder
        The folder of the sample.
    """

    capabilities = Capabilities(
        name="replay",
        title="Replay of the sample",
        sections=tuple(name for name in FILES if name in LIVE_SECTIONS),
        live=True,
        actions=True,
        figures=("funding",),
    )

    def __init__(self, folder: str) -> None:
        self.stored = SampleProvider(folder)

    def section(self, name: str) -> Section:
        """Describe a section."""
        return self.stored.section(name)

    def listings(self, section: str) -> Sequence[Listing]:
        """List the instruments of a section."""
        return self.stored.listings(section)

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol."""
        return self.stored.plan(request)

    def fetch(self, task: Task) -> Fetched:
        """Return what had closed, settled or gone ex by the task's ``until``."""
        clock = 0 if task.until is None else task.until
        fetched = self.stored.fetch(replace(task, until=clock))
        known = fetched.actions.ts <= clock
        actions = type(fetched.actions)(
            fetched.actions.ts[known],
            fetched.actions.dividend[known],
            fetched.actions.split[known],
        )
        figures = {
            kind: (ts[ts <= clock], value[ts <= clock])
            for kind, (ts, value) in fetched.figures.items()
        }
        return Fetched(fetched.listing, fetched.bars, actions, figures)
