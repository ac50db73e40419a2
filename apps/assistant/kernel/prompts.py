"""What a language model is told: the language, the task, nothing of the team's."""

from __future__ import annotations

from collections.abc import Sequence

from apps.strategies.kernel.expressions import FIELDS, functions

INSTRUCTIONS = """\
You propose testable hypotheses about which instruments of a universe will do better than others.
Each hypothesis is one alpha expression, evaluated at every close on each instrument; instruments \
with a high value are bought, those with a low value are sold or left out.

The language has these fields: {fields}.
Operators: + - * / ^ and comparisons (1 when true, else 0), brackets, and these functions:
{functions}
x, y and z are expressions, d is a window: a whole number of bars from 1, written out. Nothing \
may look ahead. Compare instruments by plain \
numbers (returns, ratios, ranks within an instrument's own past), never by price or volume itself.

Write for each hypothesis: a statement of what is claimed, the economic reason why it might hold \
and who is on the losing side, and the expression. Claim no figures: the lab measures them. \
Ideas should differ from one another in mechanism, not in window length."""
PROMPT = """\
Universe: {universe} with {count} instruments, {timeframe} bars, in-sample from {start} to {end}.
The portfolio is changed every {days} days{side}; trading costs {costs:g} basis points.
{idea}Propose {ideas} hypotheses."""


def instructions() -> str:
    """Return what a model is told about the language and its task."""
    listed = "\n".join(f"- {usage}: {words}" for usage, words in functions())
    return INSTRUCTIONS.format(fields=", ".join(FIELDS), functions=listed)


def prompt(
    *,
    universe: str,
    symbols: Sequence[str],
    timeframe: str,
    start: str,
    end: str,
    days: int,
    long_short: bool,
    costs_bps: float,
    idea: str,
    ideas: int,
) -> str:
    """Return the question for one search."""
    wish = f"The researcher asks for: {idea.strip()}\n" if idea.strip() else ""
    return PROMPT.format(
        universe=universe,
        count=len(symbols),
        timeframe=timeframe,
        start=start,
        end=end,
        days=days,
        side=", long the highest and short the lowest" if long_short else ", long the highest",
        costs=costs_bps,
        idea=wish,
        ideas=ideas,
    )
