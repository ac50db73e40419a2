"""A plain pandas reading of Kakushadze (2016), written from the paper, not from the lab's parser.

``Careful`` takes every window by itself, for exact comparisons; ``Usual`` is what people write in
pandas, quicker and with the noise of running sums. Fractional windows are cut, as the paper says.
"""

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view


class Usual:
    """The paper's functions in the usual pandas calls."""

    def __init__(self, panel, groups=None):
        frame = pd.DataFrame
        self.o, self.h, self.l = frame(panel.open), frame(panel.high), frame(panel.low)
        self.c, self.v = frame(panel.close), frame(panel.volume)
        self.r = self.c / self.c.shift(1) - 1
        self.w = (self.h + self.l + self.c) / 3
        self.groups = groups or {}

    def adv(self, d):
        return self.mean(self.c * self.v, d)

    def rank(self, x):
        return x.rank(axis=1, pct=True)

    def delay(self, x, d):
        return x.shift(d)

    def delta(self, x, d):
        return x - x.shift(d)

    def sum(self, x, d):
        return x.rolling(d).sum()

    def mean(self, x, d):
        return x.rolling(d).mean()

    def std(self, x, d):
        return x.rolling(d).std()

    def min(self, x, d):
        return x.rolling(d).min()

    def max(self, x, d):
        return x.rolling(d).max()

    def ts(self, x, d):
        return x.rolling(d).rank(pct=True)

    def cor(self, x, y, d):
        return x.rolling(d).corr(y).replace([np.inf, -np.inf], np.nan)

    def cov(self, x, y, d):
        return x.rolling(d).cov(y)

    def decay(self, x, d):
        total = sum((d - k) * x.shift(k) for k in range(d))
        return total / (d * (d + 1) / 2)

    def argmax(self, x, d):
        return self._places(x, d, np.argmax)

    def argmin(self, x, d):
        return self._places(x, d, np.argmin)

    def product(self, x, d):
        out = x
        for k in range(1, d):
            out = out * x.shift(k)
        return out

    def scale(self, x):
        return x.div(x.abs().sum(axis=1), axis=0)

    def neutral(self, x, name):
        group = self.groups[name]
        return x - x.T.groupby(group).transform("mean").T

    def lesser(self, x, y):
        return np.minimum(x, y)

    def greater(self, x, y):
        return np.maximum(x, y)

    def below(self, x, y):
        return (x < y).astype(float).where(pd.notna(x) & pd.notna(y))

    def pick(self, condition, yes, no):
        """``yes`` where the condition is not 0, else ``no``; missing where it is missing."""
        some = lambda x: x if isinstance(x, pd.DataFrame) else condition * 0 + x  # noqa: E731
        return some(yes).where(condition != 0, some(no)).where(condition.notna())

    def _windows(self, x, d):
        return sliding_window_view(x.to_numpy(), d, axis=0)

    def _spread(self, x, d, values):
        out = np.full(x.shape, np.nan)
        out[d - 1 :] = values
        return pd.DataFrame(out)

    def _places(self, x, d, function):
        w = self._windows(x, d)
        found = np.where(np.isnan(w).any(axis=2), np.nan, function(w, axis=2) + 1.0)
        return self._spread(x, d, found)


def digits(x):
    """Nine significant digits: what is equal on paper is equal before it is ranked."""
    size = 10.0 ** (9 - np.ceil(np.log10(np.where((x == 0) | np.isnan(x), 1.0, np.abs(x)))))
    return np.round(x * size) / size


class Careful(Usual):
    """The same, each window by itself, ties by nine digits."""

    def rank(self, x):
        return digits(x).rank(axis=1, pct=True)

    def sum(self, x, d):
        return self._spread(x, d, self._windows(x, d).sum(axis=2))

    def mean(self, x, d):
        return self.sum(x, d) / d

    def std(self, x, d):
        return self._spread(x, d, self._windows(x, d).std(axis=2, ddof=1))

    def ts(self, x, d):
        w = digits(self._windows(x, d))
        last = w[:, :, -1:]
        place = (w < last).sum(axis=2) + (w == last).sum(axis=2) / 2 + 0.5
        return self._spread(x, d, np.where(np.isnan(w).any(axis=2), np.nan, place / d))

    def _places(self, x, d, function):
        w = digits(self._windows(x, d))
        found = np.where(np.isnan(w).any(axis=2), np.nan, function(w, axis=2) + 1.0)
        return self._spread(x, d, found)

    def _joint(self, x, y, d):
        a, b = self._windows(x, d), self._windows(y, d)
        # What differs by the rounding of sums alone is constant on paper.
        flat = constant(a) | constant(b)
        a, b = a - a.mean(axis=2, keepdims=True), b - b.mean(axis=2, keepdims=True)
        products = (a * b).sum(axis=2)
        lengths = np.sqrt((a * a).sum(axis=2) * (b * b).sum(axis=2))
        # A product that cancels is zero on paper.
        products[np.abs(products) < 1e-12 * lengths] = 0.0
        return products, lengths, flat

    def cor(self, x, y, d):
        products, lengths, flat = self._joint(x, y, d)
        with np.errstate(all="ignore"):
            return self._spread(x, d, np.where(flat, np.nan, products / lengths))

    def cov(self, x, y, d):
        products, _, flat = self._joint(x, y, d)
        return self._spread(x, d, np.where(flat, products * 0, products) / (d - 1))


def constant(w):
    return np.ptp(w, axis=2) <= 1e-12 * np.abs(w).max(axis=2)


def blend(x, y, share):
    return x * share + y * (1 - share)


def slope(p):
    return (p.delay(p.c, 20) - p.delay(p.c, 10)) / 10 - (p.delay(p.c, 10) - p.c) / 10


def turns(p, d):
    move = p.delta(p.c, 1)
    falls = p.below(p.max(move, d), 0.0)
    return p.pick(p.below(0.0, p.min(move, d)), move, p.pick(falls, move, -move))


def alpha21(p):
    mean, spread, near = p.sum(p.c, 8) / 8, p.std(p.c, 8), p.sum(p.c, 2) / 2
    busy = (p.v / p.adv(20) >= 1).astype(float).where(p.adv(20).notna())
    inner = p.pick(p.below(near, mean - spread), 1.0, p.pick(busy, 1.0, -1.0))
    return p.pick(p.below(mean + spread, near), -1.0, inner)


def alpha24(p):
    change = p.delta(p.sum(p.c, 100) / 100, 100) / p.delay(p.c, 100)
    small = (change <= 0.05).astype(float).where(change.notna())
    return p.pick(small, -(p.c - p.min(p.c, 100)), -p.delta(p.c, 3))


def alpha29(p):
    inner = p.min(p.rank(p.rank(-p.rank(p.delta(p.c - 1, 5)))), 2)
    logged = np.log(p.sum(inner, 1))
    return p.min(p.rank(p.rank(p.scale(logged))), 5) + p.ts(p.delay(-p.r, 6), 5)


def alpha30(p):
    signs = sum(np.sign(p.delay(p.c, k) - p.delay(p.c, k + 1)) for k in range(3))
    return (1 - p.rank(signs)) * p.sum(p.v, 5) / p.sum(p.v, 20)


def alpha36(p):
    return (
        2.21 * p.rank(p.cor(p.c - p.o, p.delay(p.v, 1), 15))
        + 0.7 * p.rank(p.o - p.c)
        + 0.73 * p.rank(p.ts(p.delay(-p.r, 6), 5))
        + p.rank(p.cor(p.w, p.adv(20), 6).abs())
        + 0.6 * p.rank((p.sum(p.c, 200) / 200 - p.o) * (p.c - p.o))
    )


def alpha46(p):
    inner = p.pick(p.below(slope(p), 0.0), 1.0, -p.delta(p.c, 1))
    return p.pick(p.below(0.25, slope(p)), -1.0, inner)


def alpha47(p):
    first = p.rank(1 / p.c) * p.v / p.adv(20) * (p.h * p.rank(p.h - p.c)) / (p.sum(p.h, 5) / 5)
    return first - p.rank(p.w - p.delay(p.w, 5))


def alpha48(p):
    move = p.delta(p.c, 1)
    own = p.neutral(p.cor(move, p.delta(p.delay(p.c, 1), 1), 250) * move / p.c, "subindustry")
    return own / p.sum((move / p.delay(p.c, 1)) ** 2, 250)


def place(p):
    return finite(((p.c - p.l) - (p.h - p.c)) / (p.h - p.l))


def finite(x):
    return x.replace([np.inf, -np.inf], np.nan)


def alpha83(p):
    wide = (p.h - p.l) / (p.sum(p.c, 5) / 5)
    return p.rank(p.delay(wide, 2)) * p.rank(p.rank(p.v)) / finite(wide / (p.w - p.c))


def alpha100(p):
    own = p.neutral(p.neutral(p.rank(place(p) * p.v), "subindustry"), "subindustry")
    other = p.cor(p.c, p.rank(p.adv(20)), 5) - p.rank(p.argmin(p.c, 30))
    return -(1.5 * p.scale(own) - p.scale(p.neutral(other, "subindustry"))) * (p.v / p.adv(20))


def signed_power(x, y):
    return np.sign(x) * x.abs() ** y


READINGS = {
    1: lambda p: p.rank(p.argmax(signed_power(
        p.pick(p.below(p.r, 0.0), p.std(p.r, 20), p.c), 2.0), 5)) - 0.5,
    2: lambda p: -p.cor(p.rank(p.delta(np.log(p.v), 2)), p.rank((p.c - p.o) / p.o), 6),
    3: lambda p: -p.cor(p.rank(p.o), p.rank(p.v), 10),
    4: lambda p: -p.ts(p.rank(p.l), 9),
    5: lambda p: p.rank(p.o - p.sum(p.w, 10) / 10) * -p.rank(p.c - p.w).abs(),
    6: lambda p: -p.cor(p.o, p.v, 10),
    7: lambda p: p.pick(p.below(p.adv(20), p.v),
        -p.ts(p.delta(p.c, 7).abs(), 60) * np.sign(p.delta(p.c, 7)), -1.0),
    8: lambda p: -p.rank(p.delta(p.sum(p.o, 5) * p.sum(p.r, 5), 10)),
    9: lambda p: turns(p, 5),
    10: lambda p: p.rank(turns(p, 4)),
    11: lambda p: (p.rank(p.max(p.w - p.c, 3)) + p.rank(p.min(p.w - p.c, 3)))
        * p.rank(p.delta(p.v, 3)),
    12: lambda p: np.sign(p.delta(p.v, 1)) * -p.delta(p.c, 1),
    13: lambda p: -p.rank(p.cov(p.rank(p.c), p.rank(p.v), 5)),
    14: lambda p: -p.rank(p.delta(p.r, 3)) * p.cor(p.o, p.v, 10),
    15: lambda p: -p.sum(p.rank(p.cor(p.rank(p.h), p.rank(p.v), 3)), 3),
    16: lambda p: -p.rank(p.cov(p.rank(p.h), p.rank(p.v), 5)),
    17: lambda p: -p.rank(p.ts(p.c, 10)) * p.rank(p.delta(p.delta(p.c, 1), 1))
        * p.rank(p.ts(p.v / p.adv(20), 5)),
    18: lambda p: -p.rank(p.std((p.c - p.o).abs(), 5) + (p.c - p.o) + p.cor(p.c, p.o, 10)),
    19: lambda p: -np.sign((p.c - p.delay(p.c, 7)) + p.delta(p.c, 7))
        * (1 + p.rank(1 + p.sum(p.r, 250))),
    20: lambda p: -p.rank(p.o - p.delay(p.h, 1)) * p.rank(p.o - p.delay(p.c, 1))
        * p.rank(p.o - p.delay(p.l, 1)),
    21: alpha21,
    22: lambda p: -p.delta(p.cor(p.h, p.v, 5), 5) * p.rank(p.std(p.c, 20)),
    23: lambda p: p.pick(p.below(p.sum(p.h, 20) / 20, p.h), -p.delta(p.h, 2), 0.0),
    24: alpha24,
    25: lambda p: p.rank(-p.r * p.adv(20) * p.w * (p.h - p.c)),
    26: lambda p: -p.max(p.cor(p.ts(p.v, 5), p.ts(p.h, 5), 5), 3),
    27: lambda p: p.pick(p.below(0.5, p.rank(
        p.sum(p.cor(p.rank(p.v), p.rank(p.w), 6), 2) / 2)), -1.0, 1.0),
    28: lambda p: p.scale(p.cor(p.adv(20), p.l, 5) + (p.h + p.l) / 2 - p.c),
    29: alpha29,
    30: alpha30,
    31: lambda p: p.rank(p.rank(p.rank(p.decay(-p.rank(p.rank(p.delta(p.c, 10))), 10))))
        + p.rank(-p.delta(p.c, 3)) + np.sign(p.scale(p.cor(p.adv(20), p.l, 12))),
    32: lambda p: p.scale(p.sum(p.c, 7) / 7 - p.c)
        + 20 * p.scale(p.cor(p.w, p.delay(p.c, 5), 230)),
    33: lambda p: p.rank(-(1 - p.o / p.c)),
    34: lambda p: p.rank(1 - p.rank(finite(p.std(p.r, 2) / p.std(p.r, 5)))
        + (1 - p.rank(p.delta(p.c, 1)))),
    35: lambda p: p.ts(p.v, 32) * (1 - p.ts(p.c + p.h - p.l, 16)) * (1 - p.ts(p.r, 32)),
    36: alpha36,
    37: lambda p: p.rank(p.cor(p.delay(p.o - p.c, 1), p.c, 200)) + p.rank(p.o - p.c),
    38: lambda p: -p.rank(p.ts(p.c, 10)) * p.rank(p.c / p.o),
    39: lambda p: -p.rank(p.delta(p.c, 7) * (1 - p.rank(p.decay(p.v / p.adv(20), 9))))
        * (1 + p.rank(p.sum(p.r, 250))),
    40: lambda p: -p.rank(p.std(p.h, 10)) * p.cor(p.h, p.v, 10),
    41: lambda p: (p.h * p.l) ** 0.5 - p.w,
    42: lambda p: p.rank(p.w - p.c) / p.rank(p.w + p.c),
    43: lambda p: p.ts(p.v / p.adv(20), 20) * p.ts(-p.delta(p.c, 7), 8),
    44: lambda p: -p.cor(p.h, p.rank(p.v), 5),
    45: lambda p: -p.rank(p.sum(p.delay(p.c, 5), 20) / 20) * p.cor(p.c, p.v, 2)
        * p.rank(p.cor(p.sum(p.c, 5), p.sum(p.c, 20), 2)),
    46: alpha46,
    47: alpha47,
    48: alpha48,
    49: lambda p: p.pick(p.below(slope(p), -0.1), 1.0, -p.delta(p.c, 1)),
    50: lambda p: -p.max(p.rank(p.cor(p.rank(p.v), p.rank(p.w), 5)), 5),
    51: lambda p: p.pick(p.below(slope(p), -0.05), 1.0, -p.delta(p.c, 1)),
    52: lambda p: (-p.min(p.l, 5) + p.delay(p.min(p.l, 5), 5))
        * p.rank((p.sum(p.r, 240) - p.sum(p.r, 20)) / 220) * p.ts(p.v, 5),
    53: lambda p: -p.delta(finite(((p.c - p.l) - (p.h - p.c)) / (p.c - p.l)), 9),
    54: lambda p: finite(-((p.l - p.c) * p.o**5) / ((p.l - p.h) * p.c**5)),
    55: lambda p: -p.cor(p.rank(finite((p.c - p.min(p.l, 12))
        / (p.max(p.h, 12) - p.min(p.l, 12)))), p.rank(p.v), 6),
    57: lambda p: -((p.c - p.w) / p.decay(p.rank(p.argmax(p.c, 30)), 2)),
    58: lambda p: -p.ts(p.decay(p.cor(p.neutral(p.w, "sector"), p.v, 3), 7), 5),
    60: lambda p: -(2 * p.scale(p.rank(place(p) * p.v)) - p.scale(p.rank(p.argmax(p.c, 10)))),
    61: lambda p: p.below(p.rank(p.w - p.min(p.w, 16)), p.rank(p.cor(p.w, p.adv(180), 17))),
    62: lambda p: -p.below(p.rank(p.cor(p.w, p.sum(p.adv(20), 22), 9)), p.rank(
        p.below(2 * p.rank(p.o), p.rank((p.h + p.l) / 2) + p.rank(p.h)))),
    64: lambda p: -p.below(
        p.rank(p.cor(p.sum(blend(p.o, p.l, 0.178404), 12), p.sum(p.adv(120), 12), 16)),
        p.rank(p.delta(blend((p.h + p.l) / 2, p.w, 0.178404), 3))),
    65: lambda p: -p.below(
        p.rank(p.cor(blend(p.o, p.w, 0.00817205), p.sum(p.adv(60), 8), 6)),
        p.rank(p.o - p.min(p.o, 13))),
    66: lambda p: -(p.rank(p.decay(p.delta(p.w, 3), 7)) + p.ts(p.decay(
        finite((blend(p.l, p.l, 0.96633) - p.w) / (p.o - (p.h + p.l) / 2)), 11), 6)),
    67: lambda p: -p.rank(p.h - p.min(p.h, 2)) ** p.rank(
        p.cor(p.neutral(p.w, "sector"), p.neutral(p.adv(20), "subindustry"), 6)),
    68: lambda p: -p.below(p.ts(p.cor(p.rank(p.h), p.rank(p.adv(15)), 8), 13),
        p.rank(p.delta(blend(p.c, p.l, 0.518371), 1))),
    71: lambda p: p.greater(
        p.ts(p.decay(p.cor(p.ts(p.c, 3), p.ts(p.adv(180), 12), 18), 4), 15),
        p.ts(p.decay(p.rank(p.l + p.o - (p.w + p.w)) ** 2, 16), 4)),
    72: lambda p: p.rank(p.decay(p.cor((p.h + p.l) / 2, p.adv(40), 8), 10))
        / p.rank(p.decay(p.cor(p.ts(p.w, 3), p.ts(p.v, 18), 6), 2)),
    73: lambda p: -p.greater(p.rank(p.decay(p.delta(p.w, 4), 2)), p.ts(p.decay(
        -p.delta(blend(p.o, p.l, 0.147155), 2) / blend(p.o, p.l, 0.147155), 3), 16)),
    74: lambda p: -p.below(p.rank(p.cor(p.c, p.sum(p.adv(30), 37), 15)),
        p.rank(p.cor(p.rank(blend(p.h, p.w, 0.0261661)), p.rank(p.v), 11))),
    75: lambda p: p.below(p.rank(p.cor(p.w, p.v, 4)),
        p.rank(p.cor(p.rank(p.l), p.rank(p.adv(50)), 12))),
    77: lambda p: p.lesser(p.rank(p.decay((p.h + p.l) / 2 + p.h - (p.w + p.h), 20)),
        p.rank(p.decay(p.cor((p.h + p.l) / 2, p.adv(40), 3), 5))),
    78: lambda p: p.rank(p.cor(p.sum(blend(p.l, p.w, 0.352233), 19), p.sum(p.adv(40), 19), 6))
        ** p.rank(p.cor(p.rank(p.w), p.rank(p.v), 5)),
    81: lambda p: -p.below(p.rank(np.log(p.product(
        p.rank(p.rank(p.cor(p.w, p.sum(p.adv(10), 49), 8)) ** 4), 14))),
        p.rank(p.cor(p.rank(p.w), p.rank(p.v), 5))),
    83: alpha83,
    84: lambda p: signed_power(p.ts(p.w - p.max(p.w, 15), 20), p.delta(p.c, 4)),
    85: lambda p: p.rank(p.cor(blend(p.h, p.c, 0.876703), p.adv(30), 9))
        ** p.rank(p.cor(p.ts((p.h + p.l) / 2, 3), p.ts(p.v, 10), 7)),
    86: lambda p: -p.below(p.ts(p.cor(p.c, p.sum(p.adv(20), 14), 6), 20),
        p.rank(p.o + p.c - (p.w + p.o))),
    88: lambda p: p.lesser(
        p.rank(p.decay(p.rank(p.o) + p.rank(p.l) - (p.rank(p.h) + p.rank(p.c)), 8)),
        p.ts(p.decay(p.cor(p.ts(p.c, 8), p.ts(p.adv(60), 20), 8), 6), 2)),
    92: lambda p: p.lesser(
        p.ts(p.decay(p.below((p.h + p.l) / 2 + p.c, p.l + p.o), 14), 18),
        p.ts(p.decay(p.cor(p.rank(p.l), p.rank(p.adv(30)), 7), 6), 6)),
    94: lambda p: -p.rank(p.w - p.min(p.w, 11))
        ** p.ts(p.cor(p.ts(p.w, 19), p.ts(p.adv(60), 4), 18), 2),
    95: lambda p: p.below(p.rank(p.o - p.min(p.o, 12)), p.ts(p.rank(
        p.cor(p.sum((p.h + p.l) / 2, 19), p.sum(p.adv(40), 19), 12)) ** 5, 11)),
    96: lambda p: -p.greater(p.ts(p.decay(p.cor(p.rank(p.w), p.rank(p.v), 3), 4), 8), p.ts(
        p.decay(p.argmax(p.cor(p.ts(p.c, 7), p.ts(p.adv(60), 4), 3), 12), 14), 13)),
    98: lambda p: p.rank(p.decay(p.cor(p.w, p.sum(p.adv(5), 26), 4), 7)) - p.rank(
        p.decay(p.ts(p.argmin(p.cor(p.rank(p.o), p.rank(p.adv(15)), 20), 8), 6), 8)),
    99: lambda p: -p.below(p.rank(p.cor(p.sum((p.h + p.l) / 2, 19), p.sum(p.adv(60), 19), 8)),
        p.rank(p.cor(p.l, p.v, 6))),
    100: alpha100,
    101: lambda p: (p.c - p.o) / (p.h - p.l + 0.001),
}  # fmt: skip
