"""Genetic programming over alpha expressions.

The search sees nothing but what its ``score`` gives back; whoever hands in ``score`` decides which
data that is. Every distinct expression that was scored counts as a trial, failures included.

References
----------
Koza, J. R. (1992), Genetic Programming, MIT Press. Tournament selection after Goldberg and Deb
(1991), A comparative analysis of selection schemes used in genetic algorithms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.assistant.kernel.trees import Grower, Limits, is_allowed, plain
from apps.strategies.kernel.expressions import Node, nodes_of, render

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """What an expression was worth in sample.

    ``fitness`` is compared; ``series`` tells alike candidates apart; ``figures`` are shown.
    """

    fitness: float
    series: Floats
    figures: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the search is run."""

    population: int = 60
    generations: int = 6
    tournament: int = 4
    crossing: float = 0.5
    mutation: float = 0.35
    elite: int = 4
    parsimony: float = 0.01
    limits: Limits = field(default_factory=Limits)

    @property
    def evaluations(self) -> int:
        """How many expressions are scored at most."""
        return self.population * (self.generations + 1)


@dataclass(slots=True)
class Outcome:
    """What a search found: the scored expressions, and how many were tried in all."""

    scores: dict[Node, Score] = field(default_factory=dict)
    failed: int = 0

    @property
    def trials(self) -> int:
        """Distinct expressions scored, failures included."""
        return len(self.scores) + self.failed


class Search:
    """One run of the search.

    Parameters
    ----------
    score
        Returns the score of an expression, or None when it has none.
    rng
        Where chance comes from: the same seed finds the same.
    settings
        Sizes and chances.
    fields
        The inputs the data has.
    """

    def __init__(
        self,
        score: Callable[[Node], Score | None],
        rng: np.random.Generator,
        settings: Settings,
        fields: tuple[str, ...],
    ) -> None:
        self.score, self.rng, self.settings = score, rng, settings
        self.grower = Grower(rng, settings.limits, fields)
        self.known: dict[Node, Score | None] = {}
        self.done = 0

    def run(
        self, seeds: Sequence[Node] = (), tell: Callable[[int, int, str], None] | None = None
    ) -> Outcome:
        """Return everything scored. ``seeds`` begin the population; ``tell`` hears of progress."""
        self.tell = tell or (lambda _done, _total, _note: None)
        ready = [plain(node) for node in seeds]
        people = [node for node in ready if is_allowed(node, self.settings.limits)]
        for node in ready:
            if node not in people:
                self._judge(node, 0)
        people = people[: self.settings.population]
        people += [self.grower.tree() for _ in range(self.settings.population - len(people))]
        for generation in range(self.settings.generations + 1):
            for node in people:
                self._judge(node, generation)
            if generation < self.settings.generations:
                people = self._next(people)
        return self._outcome()

    def _judge(self, node: Node, generation: int) -> None:
        if node not in self.known:
            self.known[node] = self.score(node)
        self.done = min(self.done + 1, self.settings.evaluations)
        note = f"generation {generation}, {len(self.known)} expressions tried"
        self.tell(self.done, self.settings.evaluations, note)

    def _fitness(self, node: Node) -> float:
        score = self.known[node]
        if score is None:
            return -np.inf
        return score.fitness - self.settings.parsimony * sum(1 for _ in nodes_of(node))

    def _next(self, people: list[Node]) -> list[Node]:
        order = sorted(dict.fromkeys(people), key=self._fitness, reverse=True)
        children = order[: self.settings.elite]
        while len(children) < self.settings.population:
            children.append(self._child(people))
        return children

    def _child(self, people: list[Node]) -> Node:
        chance = self.rng.random()
        if chance < self.settings.crossing:
            return self.grower.cross(self._winner(people), self._winner(people))
        if chance < self.settings.crossing + self.settings.mutation:
            return self.grower.mutate(self._winner(people))
        return self.grower.tree()

    def _winner(self, people: list[Node]) -> Node:
        drawn = self.rng.integers(len(people), size=self.settings.tournament)
        return max((people[int(i)] for i in drawn), key=self._fitness)

    def _outcome(self) -> Outcome:
        scores = {node: score for node, score in self.known.items() if score is not None}
        return Outcome(scores, len(self.known) - len(scores))


def pick(outcome: Outcome, count: int, *, alike: float = 0.7) -> list[Node]:
    """Return the fittest expressions, leaving out those too alike to a fitter one.

    Parameters
    ----------
    count
        How many at most.
    alike
        The absolute correlation of in-sample series from which two count as one idea.

    Notes
    -----
    Of equals the shorter text comes first. The best of a poor lot is still poor: figures tell.
    """
    order = sorted(
        outcome.scores, key=lambda node: (-outcome.scores[node].fitness, len(render(node)))
    )
    chosen: list[Node] = []
    for node in order:
        if len(chosen) == count:
            break
        series = outcome.scores[node].series
        if all(abs(likeness(series, outcome.scores[other].series)) < alike for other in chosen):
            chosen.append(node)
    return chosen


def likeness(a: Floats, b: Floats) -> float:
    """Return the correlation of two series of one length; 1 when it can't be told."""
    spread = float(np.std(a) * np.std(b))
    if not np.isfinite(spread) or spread <= 0:
        return 1.0
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread)
