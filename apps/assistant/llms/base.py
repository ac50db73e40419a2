"""What a language model is to the lab: ideas in one shape, or a fault."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pydantic import BaseModel

MAX_WORDS = 600
MAX_IDEAS = 20


class Idea(BaseModel):
    """One hypothesis as a model writes it down."""

    statement: str
    economic_reason: str
    expression: str


class Ideas(BaseModel):
    """The one schema every model answers under."""

    hypotheses: list[Idea]


class Program(BaseModel):
    """The schema of a strategy's text; ``refusal`` says why there is none."""

    reasoning: str = ""
    text: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what it took. ``cost_usd`` is None when the price is not known."""

    ideas: tuple[Idea, ...]
    provider: str
    model: str
    program: Program | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None


class LanguageModel(Protocol):
    """One provider with one model."""

    name: str
    title: str
    model: str

    @property
    def is_configured(self) -> bool:
        """Whether it has what it needs, such as a key."""
        ...

    @property
    def needs(self) -> str:
        """What to set when it is not configured."""
        ...

    def propose(self, *, instructions: str, prompt: str) -> Answer:
        """Return ideas. Raises ``ModelFault``."""
        ...

    def write(self, *, instructions: str, prompt: str) -> Answer:
        """Return the text of a strategy as ``program``. Raises ``ModelFault``."""
        ...


def trimmed(ideas: Ideas) -> tuple[Idea, ...]:
    """Return at most ``MAX_IDEAS`` ideas, each text cut to what the lab stores."""
    return tuple(
        Idea(
            statement=_clean(idea.statement),
            economic_reason=_clean(idea.economic_reason),
            expression=idea.expression.strip(),
        )
        for idea in ideas.hypotheses[:MAX_IDEAS]
    )


def bare(program: Program) -> Program:
    """Return a program whose text is without a fence around it, and whose words are one line."""
    lines = program.text.strip().splitlines()
    if len(lines) >= 2 and lines[0].startswith("```") and lines[-1].strip() == "```":
        lines = lines[1:-1]
    text = "\n".join(lines).strip()
    return Program(
        reasoning=_clean(program.reasoning),
        text=text and f"{text}\n",
        refusal=_clean(program.refusal),
    )


def _clean(text: str) -> str:
    """Return one line of printable text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_WORDS]
