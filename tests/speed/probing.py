"""The look-ahead probe of a version on the sample's bars, beside the same probe in plain pandas.

The plain one asks the same questions at the same cuts of the same strategy written with pandas:
histories that end there, histories with another future of all five fields, other instruments with
bars, other times of later bars, and the shortest history that is enough. Verdict, copies and
warm-up must be the same, and both must catch a twin that looks ahead.

Each member of the library and a text in the sandbox are measured too: a version's probe is to take
less than ten seconds.
"""

import os
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from tests.speed.integrity import medians
from tests.speed.risk import line

GOAL_SECONDS, SEED, ROUNDS = 10.0, 7, 9
FIELDS = ("open", "high", "low", "close", "volume")
TEXT = """
import numpy as np
import pandas as pd

WARMUP = 60


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    moves = close.pct_change(fill_method=None)
    calm = 1.0 / moves.rolling(60).std()
    share = calm.div(calm.sum(axis=1), axis=0)
    return (share * (close > close.rolling(50).mean())).fillna(0.0).to_numpy()
"""


def library():
    """Yield every member with its parameters, and the sample's bars it is probed on."""
    from apps.strategies.kernel.interface import check_params, inputs_of
    from apps.strategies.selectors import get_strategy, list_strategies
    from tests.unit.strategies.panels import crowded, sp500

    for spec in list_strategies():
        if spec.name == "given":
            continue
        strategy = get_strategy(spec.name)
        params = check_params(spec, {})
        reads, warmup = inputs_of(strategy, params), strategy.warmup(params)
        panel = crowded() if {"funding", "open_interest"} & {*reads} else sp500(8)
        bars = min(max(420, 3 * warmup + 300), panel.n_bars)
        yield strategy, params, warmup, panel.rows(panel.n_bars - bars, panel.n_bars)


def probed(subject, panel, warmup, errors):
    """Return the report of a probe."""
    from apps.strategies.kernel.probe import Plan, Sheet, probe

    return probe(subject, Sheet(panel), Plan(warmup, SEED, errors=errors))


class PlainProbe:
    """The probe in plain pandas: tables are copied, changed, computed again and compared."""

    def __init__(self, panel, strategy, cuts):
        self.strategy, self.cuts = strategy, cuts
        index = pd.DatetimeIndex(panel.ts.astype("datetime64[us]"))
        self.bars = {
            name: pd.DataFrame(getattr(panel, name), index, panel.symbols) for name in FIELDS
        }
        self.copies = 0

    def run(self):
        """Return verdict, first difference, copies and the warm-up that was found."""
        self.copies = 0
        early = [(cut, self.ask({n: t.iloc[: cut + 1] for n, t in self.bars.items()}))
                 for cut in self.cuts]  # fmt: skip
        self.whole = self.strategy(self.bars)
        assert self.apart(self.strategy(self.bars), len(self.bars["close"]) - 1) is None
        for cut, found in early:
            if (seen := self.apart(found, cut)) is not None:
                return "leaks", seen
        for turn, cut in enumerate(self.cuts):
            for changed in self.other_futures(turn, cut):
                if (seen := self.apart(self.ask(changed), cut)) is not None:
                    return "leaks", seen
        return "passed", self.copies, self.warmup()

    def ask(self, bars):
        """Return the strategy's tables on a copy."""
        self.copies += 1
        return self.strategy(bars)

    def apart(self, found, cut):
        """Return where tables differ first up to a bar, None when they are the same."""
        firsts = []
        for whole, other in zip(self.whole, found, strict=True):
            one, two = whole.iloc[: cut + 1], other.iloc[: cut + 1]
            same = np.isclose(one, two, rtol=1e-9, atol=1e-15, equal_nan=True)
            if not same.all():
                row, column = np.argwhere(~same)[0]
                firsts.append((int(row), one.columns[column]))
        return min(firsts, default=None)

    def other_futures(self, turn, cut):
        """Yield the copies of a cut: as many of each kind as the lab makes."""
        rng = np.random.default_rng(cut)
        shape = self.bars["close"].shape
        for kind in (0.9, -0.9, 0.0)[: 3 if turn % 3 == 0 else 2]:
            noise = rng.normal(kind, 0.15, shape)
            if not kind:
                noise = 2.0 * noise + rng.normal(0.0, 1.0, (1, shape[1]))
            changed = {name: table.copy() for name, table in self.bars.items()}
            for name, table in changed.items():
                factor = np.exp(noise if name != "volume" else rng.normal(kind, 0.15, shape))
                table.iloc[cut + 1 :] *= factor[cut + 1 :]
            yield changed
        if turn % 3:
            return
        for first in (0, 1):
            changed = {name: table.copy() for name, table in self.bars.items()}
            for table in changed.values():
                table.iloc[cut + 1 :, first::2] = np.nan
            yield changed
        index = self.bars["close"].index
        later = index[: cut + 1].append(index[cut + 1 :] + pd.Timedelta(days=45))
        yield {name: table.set_axis(later) for name, table in self.bars.items()}

    def warmup(self):
        """Return how many bars before a close are enough, by doubling and halving."""
        step = max(len(self.cuts) // 3, 1)
        return max(self.needed(cut) for cut in self.cuts[::-1][::step][:3])

    def needed(self, cut):
        """Return the same for one close."""

        def is_enough(bars):
            part = {n: t.iloc[cut + 1 - bars : cut + 1] for n, t in self.bars.items()}
            return all(
                np.isclose(w.iloc[cut], f.iloc[-1], rtol=1e-9, atol=1e-15, equal_nan=True).all()
                for w, f in zip(self.whole, self.strategy(part), strict=True)
            )

        bars = 2
        while not is_enough(bars):
            bars *= 2
        low, high = bars // 2, bars
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle, high)
        return high - 1


def crossover(bars, ahead=0):
    """The rule of ``sma_crossover`` with pandas: what is wanted, and what is traded."""
    close = bars["close"].shift(-ahead)
    gap = close.rolling(10).mean() - close.rolling(30).mean()
    wanted = (gap > 0).astype(float).where(gap.notna())
    held = wanted.fillna(0.0)
    return wanted, (held / held.shape[1]).where(held != held.shift(fill_value=0.0))


def checked_against(plain, subject, panel, report):
    """Hold the two probes to one another: targets, verdict, copies, warm-up, and on a leak."""
    outputs = subject.outputs(panel)
    for found, name in zip(crossover(plain.bars), ("feature position", "targets"), strict=True):
        np.testing.assert_allclose(found.to_numpy(), outputs[name], rtol=1e-9)
    assert plain.run() == (report.verdict, report.copies, report.found_warmup)

    class Peeks(type(subject.strategy)):
        def prepare(self, panel, params):
            late = np.full(panel.close.shape, np.nan)
            late[:-1] = panel.close[1:]
            return super().prepare(replace(panel, close=late), params)

    from apps.strategies.kernel.probe.subjects import ERRORS, LibrarySubject

    caught = probed(LibrarySubject(Peeks(), subject.params), panel, report.declared_warmup, ERRORS)
    ahead = PlainProbe(panel, lambda bars: crossover(bars, 1), report.cuts).run()
    assert (caught.verdict, caught.finding.ahead) == (ahead[0], 1)


def in_the_sandbox():
    """Return the seconds a text's probe takes, None where the sandbox does not hold."""
    from apps.strategies.kernel.user_code import read
    from apps.strategies.sandbox.base import Stopped
    from apps.strategies.sandbox.own import OwnStrategy
    from apps.strategies.sandbox.probing import OwnSubject
    from apps.strategies.selectors import sandbox
    from tests.unit.strategies.panels import sp500

    if not sandbox().status().holds:
        return None
    panel = sp500(8).rows(0, 480)
    began = time.perf_counter()
    strategy = OwnStrategy(read("mine", TEXT), TEXT, sandbox(), lambda _: None)
    report = probed(OwnSubject(strategy, {}), panel, 60, (Stopped,))
    strategy.finish()
    assert report.passed, report
    return time.perf_counter() - began


def probe_overhead():
    """Milliseconds of a version's probe: all inputs, twelve cuts, features, targets, warm-up."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings.test")
    django.setup()
    from apps.strategies.kernel.probe.subjects import ERRORS, LibrarySubject

    members = {}
    for strategy, params, warmup, panel in library():
        subject = LibrarySubject(strategy, params)
        subject.outputs(panel)  # compiled at first use, once for all versions
        began = time.perf_counter()
        report = probed(subject, panel, warmup, ERRORS)
        seconds = time.perf_counter() - began
        assert report.passed, (strategy.spec.name, report)
        members[strategy.spec.name] = (seconds, subject, panel, report)
    _, subject, panel, report = members["sma_crossover"]
    plain = PlainProbe(panel, crossover, report.cuts)
    checked_against(plain, subject, panel, report)
    lab, peer = medians(
        lambda: probed(subject, panel, report.declared_warmup, ERRORS), plain.run, ROUNDS
    )
    slowest = max(members, key=lambda name: members[name][0])
    return {
        **line("probe_overhead", "pandas", (lab, peer), 10, 0.0),
        "copies": report.copies,
        "slowest_member": slowest,
        "slowest_member_s": round(members[slowest][0], 3),
        "text_in_sandbox_s": in_the_sandbox(),
        "every_version_below_s": GOAL_SECONDS,
        "passed": bool(members[slowest][0] < GOAL_SECONDS),
    }
