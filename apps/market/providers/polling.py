"""A stream made of questions: for vendors that are asked for their newest bars again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apps.core.errors import NotFound, Unavailable
from apps.core.kernel.timeframes import seconds_of
from apps.market.providers.base import Fetched, Provider, Task

MICROS = 1_000_000
# After a bar is over, until a venue has it.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Poll:
    """Asks a provider for the newest bars of some symbols, once per bar.

    Parameters
    ----------
    since
        From which open on a symbol is asked for, in microseconds since 1970: a bar or more
        before what is there, so that a round that failed leaves no gap.
    now
        The clock, in seconds since 1970.
    wait
        Waits so many seconds, or less when the stream is to stop.
    """

    plug: Provider
    section: str
    timeframe: str
    symbols: Sequence[str]
    since: Callable[[str], int]
    now: Callable[[], float]
    wait: Callable[[float], object]

    def run(self, on_fetched: Callable[[Fetched], None], stopped: Callable[[], bool]) -> None:
        """Call ``on_fetched`` with what is new of each symbol until ``stopped`` says so.

        A symbol that is not answered is asked for in the next round. Raises what a round was
        answered in which no symbol came back, and what trying again won't mend.
        """
        step = seconds_of(self.timeframe)
        while not stopped():
            self.ask(on_fetched, stopped)
            now = self.now()
            self.wait(now // step * step + step + SETTLE_SECONDS - now)

    def ask(self, on_fetched: Callable[[Fetched], None], stopped: Callable[[], bool]) -> None:
        """Ask for each symbol once."""
        answered, failed = 0, None
        for symbol in self.symbols:
            if stopped():
                return
            until = int(self.now() * MICROS)
            task = Task(self.section, symbol, self.timeframe, self.since(symbol), until)
            try:
                found = self.plug.fetch(task)
            except (Unavailable, NotFound) as error:
                failed = error
                continue
            answered += 1
            on_fetched(found)
        if failed is not None and not answered:
            raise failed
