"""Ask a strategy again with less known, and with another future, and see what changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.probe.cuts import choose_cuts
from apps.strategies.kernel.probe.outputs import (
    Difference,
    Outputs,
    Place,
    Subject,
    difference,
)
from apps.strategies.kernel.probe.reports import (
    LEAKS,
    LENGTH,
    PASSED,
    UNABLE,
    UNSTEADY,
    Finding,
    Report,
    figure,
)
from apps.strategies.kernel.probe.sheets import (
    KINDS,
    PRICES,
    TIMES,
    UNIVERSE,
    Sheet,
    scrambled,
    truncated,
)
from apps.strategies.kernel.probe.warmups import found_warmup

TRUNCATED = "truncated"
# Two words for the copies that leave the values alone and change who has bars, and when.
LESS_OFTEN = 3
Refused = (ArithmeticError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Plan:
    """How thoroughly a strategy is probed.

    ``reads`` are the inputs that are scrambled, all there are when none is named; ``errors`` what
    a strategy may raise on a copy without the probe ending with it.
    """

    warmup: int
    seed: int
    cuts: int = 12
    reads: tuple[str, ...] = ()
    errors: tuple[type[Exception], ...] = Refused
    with_warmup: bool = True


@dataclass
class _Work:
    """A probe on its way."""

    subject: Subject
    sheet: Sheet
    plan: Plan
    rng: np.random.Generator
    whole: Outputs = field(default_factory=dict)
    copies: int = 0
    refused: int = 0
    tell: Callable[[int], None] = lambda _: None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The inputs that are scrambled."""
        reads = self.plan.reads or self.sheet.names
        return tuple(name for name in self.sheet.names if name in {*reads, UNIVERSE, TIMES})

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Those of them that are values of bars."""
        return tuple(name for name in self.names if name not in {UNIVERSE, TIMES})

    def ask(self, panel: Panel) -> Outputs | None:
        """Return the outputs on a copy, None when it is refused."""
        self.copies += 1
        self.tell(self.copies)
        try:
            return self.subject.outputs(panel)
        except self.plan.errors:
            self.refused += 1
            return None

    def compare(self, panel: Panel, cut: int) -> Difference | None:
        """Return where the outputs up to ``cut`` differ on a copy; None also when it refuses."""
        found = self.ask(panel)
        return None if found is None else difference(self.whole, found, cut)

    def other(self, cut: int, names: tuple[str, ...], kind: str) -> Panel:
        """Return a copy with another future, the same for the same question."""
        mark = [self.plan.seed, cut, KINDS.index(kind)]
        return scrambled(self.sheet, cut, names, kind, np.random.default_rng(mark))


@dataclass(frozen=True, slots=True)
class _Caught:
    """A difference, and the copy that shows it."""

    seen: Difference
    cut: int
    names: tuple[str, ...]
    kind: str


def probe(
    subject: Subject, sheet: Sheet, plan: Plan, tell: Callable[[int], None] = lambda _: None
) -> Report:
    """Return what a strategy knows at a close that came after it.

    First it is asked on histories that end at random cuts, the shortest first; then on whole
    histories with another future after each cut. Outputs of bars up to the cut must be the same.

    Raises what the strategy raises on the bars as they are.
    """
    work = _Work(subject, sheet, plan, np.random.default_rng(plan.seed), tell=tell)
    cuts = choose_cuts(sheet.panel.n_bars, plan.warmup, plan.cuts, work.rng)
    # Before any later bar was sent to whoever answers: what is said then can't hang on one.
    subject.afresh()
    early = [(cut, work.ask(truncated(sheet, cut))) for cut in cuts]
    work.whole = subject.outputs(sheet.panel)
    again = difference(work.whole, subject.outputs(sheet.panel), sheet.panel.n_bars)
    if again is not None:
        why = "asked twice of the same bars, it gives two answers"
        return _report(work, cuts, UNSTEADY, None, why)
    caught = _by_less(work, early) or _by_other(work, cuts)
    if caught is not None:
        return _report(work, cuts, LEAKS, _explained(work, caught), "")
    if work.refused * 2 > work.copies:
        why = f"it refused {work.refused} of {work.copies} copies of its bars"
        return _report(work, cuts, UNABLE, None, why)
    return _report(work, cuts, PASSED, None, "")


def _by_less(work: _Work, early: list[tuple[int, Outputs | None]]) -> _Caught | None:
    """Compare with answers that were given before later bars were known."""
    for cut, found in early:
        seen = None if found is None else difference(work.whole, found, cut)
        if seen is not None:
            return _Caught(seen, cut, (), TRUNCATED)
    return None


def _by_other(work: _Work, cuts: tuple[int, ...]) -> _Caught | None:
    """Compare with answers to bars that go on otherwise after the cut."""
    for turn, cut in enumerate(cuts):
        kinds = KINDS if turn % LESS_OFTEN == 0 else KINDS[:2]
        asked: list[tuple[tuple[str, ...], str]] = [(work.values, kind) for kind in kinds]
        if turn % LESS_OFTEN == 0:
            asked += [((UNIVERSE,), kind) for kind in KINDS[:2]] + [((TIMES,), KINDS[0])]
        for names, kind in asked:
            seen = work.compare(work.other(cut, names, kind), cut)
            if seen is not None:
                return _Caught(seen, cut, names, kind)
    return None


def _explained(work: _Work, caught: _Caught) -> Finding:
    """Name the input that leaks, how far ahead it is read, and the line of the text."""
    single = _inputs(work, caught)
    if not single or single[0].names[0] in {UNIVERSE, TIMES}:
        single = _by_values(work) or single or _by_shape(work)
    seen, cut = caught.seen, caught.cut
    if single:
        shown = single[0]
        seen, cut = shown.seen, shown.cut
        other = work.other(shown.cut, shown.names, shown.kind)
        ahead, to_end = _ahead(work, shown)
    else:
        shown, (ahead, to_end) = caught, (None, True)
        other = (
            truncated(work.sheet, cut)
            if caught.kind == TRUNCATED
            else work.other(cut, caught.names, caught.kind)
        )
    place = _place(work, other, cut)
    panel = work.sheet.panel
    names = tuple(dict.fromkeys(name for one in single for name in one.names))
    return Finding(
        output=seen.output,
        bar=seen.row,
        ts=int(panel.ts[seen.row]),
        symbol=panel.symbols[seen.column],
        whole=figure(seen.whole),
        other=figure(seen.other),
        cut=cut,
        copy=TRUNCATED if shown.kind == TRUNCATED else f"other future, {shown.kind}",
        inputs=names or ((LENGTH,) if caught.kind == TRUNCATED else caught.names),
        ahead=ahead,
        to_end=to_end,
        line=place.line,
        column=place.column,
    )


def _place(work: _Work, other: Panel, cut: int) -> Place:
    try:
        return work.subject.place(work.sheet.panel, other, cut) or Place()
    except work.plan.errors:
        return Place()


def _inputs(work: _Work, caught: _Caught) -> list[_Caught]:
    """Return a copy for each input that changes the outputs by itself, the strongest first."""
    # Prices move together in a copy of all: what is relative among them shows only one by one.
    alone = [name for name in work.names if name in {*PRICES, UNIVERSE, TIMES}]
    others = tuple(name for name in work.values if name not in PRICES)
    found = [one for name in alone for one in _among(work, caught.cut, (name,))]
    found += _among(work, caught.cut, others)
    # Who has bars shows in every field too: it is named where no later value is read.
    values = [one for one in found if one.names[0] not in {UNIVERSE, TIMES}]
    return sorted(values or found, key=lambda one: -one.seen.cells)


def _among(work: _Work, cut: int, names: tuple[str, ...]) -> list[_Caught]:
    """Return the same for some inputs: those that change nothing together do not one by one."""
    if not names:
        return []
    for kind in (KINDS[0],) if names == (TIMES,) else KINDS:
        seen = work.compare(work.other(cut, names, kind), cut)
        if seen is not None:
            break
    else:
        return []
    if len(names) == 1:
        return [_Caught(seen, cut, names, kind)]
    half = len(names) // 2
    return _among(work, cut, names[:half]) + _among(work, cut, names[half:])


def _by_values(work: _Work) -> list[_Caught]:
    """Return the inputs of which later values are read, seen at whichever cut shows it.

    Who has bars often shows first where a few instruments are chosen by what comes later.
    """
    for cut in choose_cuts(work.sheet.panel.n_bars, work.plan.warmup, work.plan.cuts, work.rng):
        for kind in KINDS:
            seen = work.compare(work.other(cut, work.values, kind), cut)
            if seen is not None:
                return _inputs(work, _Caught(seen, cut, work.values, kind))
    return []


def _by_shape(work: _Work) -> list[_Caught]:
    """Return who has bars, or when, if another cut shows that it is this and not the length."""
    for cut in choose_cuts(work.sheet.panel.n_bars, work.plan.warmup, work.plan.cuts, work.rng):
        for names, kind in ((UNIVERSE, KINDS[0]), (UNIVERSE, KINDS[1]), (TIMES, KINDS[0])):
            seen = work.compare(work.other(cut, (names,), kind), cut)
            if seen is not None:
                return [_Caught(seen, cut, (names,), kind)]
    return []


def _ahead(work: _Work, shown: _Caught) -> tuple[int | None, bool]:
    """Return how many bars ahead of its own the output reads, and whether to the end.

    The future is changed from ever later bars on, until the output no longer minds.
    """
    row, column, output = shown.seen.row, shown.seen.column, shown.seen.output
    last = work.sheet.panel.n_bars - 1

    def minds(first: int) -> bool:
        # The copy changes what was known after bar ``first - 1``.
        for kind in dict.fromkeys((shown.kind, *KINDS)):
            try:
                found = work.subject.outputs(work.other(first - 1, shown.names, kind))
            except work.plan.errors:
                continue
            one, two = work.whole[output][row, column], found[output][row, column]
            apart = not (one == two or (np.isnan(one) and np.isnan(two)))
            if apart and not np.isclose(one, two, rtol=1e-9, atol=1e-15):
                return True
        return False

    low, high = shown.cut + 1, last
    if not minds(low):
        return None, False
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if minds(middle) else (low, middle - 1)
    return low - row, low == last


def _report(
    work: _Work, cuts: tuple[int, ...], verdict: str, finding: Finding | None, why: str
) -> Report:
    found: int | None = None
    if verdict == PASSED and work.plan.with_warmup:
        found = found_warmup(work.subject, work.sheet, work.whole, cuts, work.plan.errors)
    panel = work.sheet.panel
    return Report(
        verdict=verdict,
        finding=finding,
        why=why,
        declared_warmup=work.plan.warmup,
        found_warmup=found,
        cuts=cuts,
        copies=work.copies,
        refused=work.refused,
        outputs=tuple(work.whole),
        inputs=work.names,
        bars=panel.n_bars,
        assets=panel.n_assets,
        seed=work.plan.seed,
    )


def seed_of(digest: str) -> int:
    """Return the seed of a version's probe: the same cuts whenever it is done again."""
    return int(digest[:12] or "0", 16)
