"""The published formulas of Kakushadze (2016) that daily bars allow, in the lab's language.

Source: Kakushadze, Z. (2016), "101 Formulaic Alphas", Wilmott 84, appendix A.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.strategies.kernel.expressions.tokens import refuse

SOURCE = "Kakushadze (2016), 101 Formulaic Alphas, Wilmott 84, appendix A"
FLOORED = "Windows of fractions are cut to whole bars, as the paper says."
UNITS = "bare() marks where the formula adds or compares unlike units."
VWAP = "vwap is (high + low + close) / 3 where the data has none."
GROUPED = "Needs the classification of each instrument."
# What can't be written, and why.
LEFT_OUT = {56: "It needs the market capitalisation of each bar, which bars don't have."}


@dataclass(frozen=True, slots=True)
class Published:
    """A formula of the paper: its number, our spelling, and what differs from the print."""

    number: int
    expression: str
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How lists name it."""
        return f"Alpha#{self.number}"


PUBLISHED = (
    Published(
        1,
        "rank(ts_argmax(signedpower((returns < 0 ? stddev(returns, 20) : close), 2), 5)) - 0.5",
    ),
    Published(
        2,
        "-1 * correlation(rank(delta(log(volume), 2)), rank((close - open) / open), 6)",
    ),
    Published(
        3,
        "-1 * correlation(rank(open), rank(volume), 10)",
    ),
    Published(
        4,
        "-1 * ts_rank(rank(low), 9)",
    ),
    Published(
        5,
        "rank(open - sum(vwap, 10) / 10) * (-1 * abs(rank(close - vwap)))",
        (VWAP,),
    ),
    Published(
        6,
        "-1 * correlation(open, volume, 10)",
    ),
    Published(
        7,
        "bare(adv20) < bare(volume) ? (-1 * ts_rank(abs(delta(close, 7)), 60)) * "
        "sign(delta(close, 7)) : -1",
        (UNITS,),
    ),
    Published(
        8,
        "-1 * rank(sum(open, 5) * sum(returns, 5) - delay(sum(open, 5) * sum(returns, 5), 10))",
    ),
    Published(
        9,
        "0 < ts_min(delta(close, 1), 5) ? delta(close, 1) : (ts_max(delta(close, 1), 5) < "
        "0 ? delta(close, 1) : -1 * delta(close, 1))",
    ),
    Published(
        10,
        "rank(0 < ts_min(delta(close, 1), 4) ? delta(close, 1) : (ts_max(delta(close, 1), "
        "4) < 0 ? delta(close, 1) : -1 * delta(close, 1)))",
    ),
    Published(
        11,
        "(rank(ts_max(vwap - close, 3)) + rank(ts_min(vwap - close, 3))) * rank(delta(volume, 3))",
        (VWAP,),
    ),
    Published(
        12,
        "sign(delta(volume, 1)) * (-1 * delta(close, 1))",
    ),
    Published(
        13,
        "-1 * rank(covariance(rank(close), rank(volume), 5))",
    ),
    Published(
        14,
        "(-1 * rank(delta(returns, 3))) * correlation(open, volume, 10)",
    ),
    Published(
        15,
        "-1 * sum(rank(correlation(rank(high), rank(volume), 3)), 3)",
    ),
    Published(
        16,
        "-1 * rank(covariance(rank(high), rank(volume), 5))",
    ),
    Published(
        17,
        "((-1 * rank(ts_rank(close, 10))) * rank(delta(delta(close, 1), 1))) * "
        "rank(ts_rank(volume / adv20, 5))",
    ),
    Published(
        18,
        "-1 * rank(bare(stddev(abs(close - open), 5) + (close - open)) + "
        "correlation(close, open, 10))",
        (UNITS,),
    ),
    Published(
        19,
        "(-1 * sign((close - delay(close, 7)) + delta(close, 7))) * (1 + rank(1 + "
        "sum(returns, 250)))",
    ),
    Published(
        20,
        "((-1 * rank(open - delay(high, 1))) * rank(open - delay(close, 1))) * rank(open "
        "- delay(low, 1))",
    ),
    Published(
        21,
        "sum(close, 8) / 8 + stddev(close, 8) < sum(close, 2) / 2 ? -1 : (sum(close, 2) / "
        "2 < sum(close, 8) / 8 - stddev(close, 8) ? 1 : ((1 < volume / adv20 || volume / "
        "adv20 == 1) ? 1 : -1))",
    ),
    Published(
        22,
        "-1 * (delta(correlation(high, volume, 5), 5) * rank(stddev(close, 20)))",
    ),
    Published(
        23,
        "sum(high, 20) / 20 < high ? -1 * delta(high, 2) : 0",
    ),
    Published(
        24,
        "(delta(sum(close, 100) / 100, 100) / delay(close, 100) < 0.05 || "
        "delta(sum(close, 100) / 100, 100) / delay(close, 100) == 0.05) ? -1 * (close - "
        "ts_min(close, 100)) : -1 * delta(close, 3)",
    ),
    Published(
        25,
        "rank((((-1 * returns) * adv20) * vwap) * (high - close))",
        (VWAP,),
    ),
    Published(
        26,
        "-1 * ts_max(correlation(ts_rank(volume, 5), ts_rank(high, 5), 5), 3)",
    ),
    Published(
        27,
        "0.5 < rank(sum(correlation(rank(volume), rank(vwap), 6), 2) / 2) ? -1 : 1",
        (VWAP,),
    ),
    Published(
        28,
        "scale((correlation(adv20, low, 5) + bare((high + low) / 2)) - bare(close))",
        (UNITS,),
    ),
    Published(
        29,
        "min(product(rank(rank(scale(log(sum(ts_min(rank(rank(-1 * rank(delta(close - 1, "
        "5)))), 2), 1))))), 1), 5) + ts_rank(delay(-1 * returns, 6), 5)",
    ),
    Published(
        30,
        "((1 - rank((sign(close - delay(close, 1)) + sign(delay(close, 1) - delay(close, "
        "2))) + sign(delay(close, 2) - delay(close, 3)))) * sum(volume, 5)) / sum(volume, "
        "20)",
    ),
    Published(
        31,
        "(rank(rank(rank(decay_linear(-1 * rank(rank(delta(close, 10))), 10)))) + rank(-1 "
        "* delta(close, 3))) + sign(scale(correlation(adv20, low, 12)))",
    ),
    Published(
        32,
        "scale(sum(close, 7) / 7 - close) + 20 * scale(correlation(vwap, delay(close, 5), 230))",
        (VWAP,),
    ),
    Published(
        33,
        "rank(-1 * (1 - open / close)^1)",
    ),
    Published(
        34,
        "rank((1 - rank(stddev(returns, 2) / stddev(returns, 5))) + (1 - rank(delta(close, 1))))",
    ),
    Published(
        35,
        "(ts_rank(volume, 32) * (1 - ts_rank((close + high) - low, 16))) * (1 - "
        "ts_rank(returns, 32))",
    ),
    Published(
        36,
        "(((2.21 * rank(correlation(close - open, delay(volume, 1), 15)) + 0.7 * "
        "rank(open - close)) + 0.73 * rank(ts_rank(delay(-1 * returns, 6), 5))) + "
        "rank(abs(correlation(vwap, adv20, 6)))) + 0.6 * rank((sum(close, 200) / 200 - "
        "open) * (close - open))",
        (VWAP,),
    ),
    Published(
        37,
        "rank(correlation(delay(open - close, 1), close, 200)) + rank(open - close)",
    ),
    Published(
        38,
        "(-1 * rank(ts_rank(close, 10))) * rank(close / open)",
    ),
    Published(
        39,
        "(-1 * rank(delta(close, 7) * (1 - rank(decay_linear(volume / adv20, 9))))) * (1 "
        "+ rank(sum(returns, 250)))",
    ),
    Published(
        40,
        "(-1 * rank(stddev(high, 10))) * correlation(high, volume, 10)",
    ),
    Published(
        41,
        "(high * low)^0.5 - vwap",
        (VWAP,),
    ),
    Published(
        42,
        "rank(vwap - close) / rank(vwap + close)",
        (VWAP,),
    ),
    Published(
        43,
        "ts_rank(volume / adv20, 20) * ts_rank(-1 * delta(close, 7), 8)",
    ),
    Published(
        44,
        "-1 * correlation(high, rank(volume), 5)",
    ),
    Published(
        45,
        "-1 * ((rank(sum(delay(close, 5), 20) / 20) * correlation(close, volume, 2)) * "
        "rank(correlation(sum(close, 5), sum(close, 20), 2)))",
    ),
    Published(
        46,
        "0.25 < (delay(close, 20) - delay(close, 10)) / 10 - (delay(close, 10) - close) / "
        "10 ? -1 : ((delay(close, 20) - delay(close, 10)) / 10 - (delay(close, 10) - "
        "close) / 10 < 0 ? 1 : -1 * (close - delay(close, 1)))",
    ),
    Published(
        47,
        "bare(((rank(1 / close) * volume) / adv20) * ((high * rank(high - close)) / "
        "(sum(high, 5) / 5))) - rank(vwap - delay(vwap, 5))",
        (UNITS, VWAP),
    ),
    Published(
        48,
        "indneutralize((correlation(delta(close, 1), delta(delay(close, 1), 1), 250) * "
        "delta(close, 1)) / close, subindustry) / sum((delta(close, 1) / delay(close, "
        "1))^2, 250)",
        (GROUPED,),
    ),
    Published(
        49,
        "(delay(close, 20) - delay(close, 10)) / 10 - (delay(close, 10) - close) / 10 < "
        "-0.1 ? 1 : -1 * (close - delay(close, 1))",
    ),
    Published(
        50,
        "-1 * ts_max(rank(correlation(rank(volume), rank(vwap), 5)), 5)",
        (VWAP,),
    ),
    Published(
        51,
        "(delay(close, 20) - delay(close, 10)) / 10 - (delay(close, 10) - close) / 10 < "
        "-0.05 ? 1 : -1 * (close - delay(close, 1))",
    ),
    Published(
        52,
        "((-1 * ts_min(low, 5) + delay(ts_min(low, 5), 5)) * rank((sum(returns, 240) - "
        "sum(returns, 20)) / 220)) * ts_rank(volume, 5)",
    ),
    Published(
        53,
        "-1 * delta(((close - low) - (high - close)) / (close - low), 9)",
    ),
    Published(
        54,
        "(-1 * ((low - close) * open^5)) / ((low - high) * close^5)",
    ),
    Published(
        55,
        "-1 * correlation(rank((close - ts_min(low, 12)) / (ts_max(high, 12) - "
        "ts_min(low, 12))), rank(volume), 6)",
    ),
    Published(
        57,
        "0 - 1 * ((close - vwap) / decay_linear(rank(ts_argmax(close, 30)), 2))",
        (VWAP,),
    ),
    Published(
        58,
        "-1 * ts_rank(decay_linear(correlation(indneutralize(vwap, sector), volume, 3), 7), 5)",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        59,
        "-1 * ts_rank(decay_linear(correlation(indneutralize(vwap * 0.728317 + vwap * (1 "
        "- 0.728317), industry), volume, 4), 16), 8)",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        60,
        "0 - 1 * (2 * scale(rank((((close - low) - (high - close)) / (high - low)) * "
        "volume)) - scale(rank(ts_argmax(close, 10))))",
    ),
    Published(
        61,
        "rank(vwap - ts_min(vwap, 16)) < rank(correlation(vwap, adv180, 17))",
        (FLOORED, VWAP),
    ),
    Published(
        62,
        "(rank(correlation(vwap, sum(adv20, 22), 9)) < rank((rank(open) + rank(open)) < "
        "(rank((high + low) / 2) + rank(high)))) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        63,
        "(rank(decay_linear(delta(indneutralize(close, industry), 2), 8)) - "
        "rank(decay_linear(correlation(vwap * 0.318108 + open * (1 - 0.318108), "
        "sum(adv180, 37), 13), 12))) * -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        64,
        "(rank(correlation(sum(open * 0.178404 + low * (1 - 0.178404), 12), sum(adv120, "
        "12), 16)) < rank(delta(((high + low) / 2) * 0.178404 + vwap * (1 - 0.178404), "
        "3))) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        65,
        "(rank(correlation(open * 0.00817205 + vwap * (1 - 0.00817205), sum(adv60, 8), "
        "6)) < rank(open - ts_min(open, 13))) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        66,
        "(rank(decay_linear(delta(vwap, 3), 7)) + ts_rank(decay_linear(((low * 0.96633 + "
        "low * (1 - 0.96633)) - vwap) / (open - (high + low) / 2), 11), 6)) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        67,
        "rank(high - ts_min(high, 2))^rank(correlation(indneutralize(vwap, sector), "
        "indneutralize(adv20, subindustry), 6)) * -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        68,
        "(ts_rank(correlation(rank(high), rank(adv15), 8), 13) < rank(delta(close * "
        "0.518371 + low * (1 - 0.518371), 1))) * -1",
        (FLOORED,),
    ),
    Published(
        69,
        "rank(ts_max(delta(indneutralize(vwap, industry), 2), "
        "4))^ts_rank(correlation(close * 0.490655 + vwap * (1 - 0.490655), adv20, 4), 9) "
        "* -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        70,
        "rank(delta(vwap, 1))^ts_rank(correlation(indneutralize(close, industry), adv50, "
        "17), 17) * -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        71,
        "max(ts_rank(decay_linear(correlation(ts_rank(close, 3), ts_rank(adv180, 12), "
        "18), 4), 15), ts_rank(decay_linear(rank((low + open) - (vwap + vwap))^2, 16), "
        "4))",
        (FLOORED, VWAP),
    ),
    Published(
        72,
        "rank(decay_linear(correlation((high + low) / 2, adv40, 8), 10)) / "
        "rank(decay_linear(correlation(ts_rank(vwap, 3), ts_rank(volume, 18), 6), 2))",
        (FLOORED, VWAP),
    ),
    Published(
        73,
        "max(rank(decay_linear(delta(vwap, 4), 2)), ts_rank(decay_linear((delta(open * "
        "0.147155 + low * (1 - 0.147155), 2) / (open * 0.147155 + low * (1 - 0.147155))) "
        "* -1, 3), 16)) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        74,
        "(rank(correlation(close, sum(adv30, 37), 15)) < rank(correlation(rank(high * "
        "0.0261661 + vwap * (1 - 0.0261661)), rank(volume), 11))) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        75,
        "rank(correlation(vwap, volume, 4)) < rank(correlation(rank(low), rank(adv50), 12))",
        (FLOORED, VWAP),
    ),
    Published(
        76,
        "max(rank(decay_linear(delta(vwap, 1), 11)), "
        "ts_rank(decay_linear(ts_rank(correlation(indneutralize(low, sector), adv81, 8), "
        "19), 17), 19)) * -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        77,
        "min(rank(decay_linear(((high + low) / 2 + high) - (vwap + high), 20)), "
        "rank(decay_linear(correlation((high + low) / 2, adv40, 3), 5)))",
        (FLOORED, VWAP),
    ),
    Published(
        78,
        "rank(correlation(sum(low * 0.352233 + vwap * (1 - 0.352233), 19), sum(adv40, "
        "19), 6))^rank(correlation(rank(vwap), rank(volume), 5))",
        (FLOORED, VWAP),
    ),
    Published(
        79,
        "rank(delta(indneutralize(close * 0.60733 + open * (1 - 0.60733), sector), 1)) < "
        "rank(correlation(ts_rank(vwap, 3), ts_rank(adv150, 9), 14))",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        80,
        "rank(sign(delta(indneutralize(open * 0.868128 + high * (1 - 0.868128), "
        "industry), 4)))^ts_rank(correlation(high, adv10, 5), 5) * -1",
        (FLOORED, GROUPED),
    ),
    Published(
        81,
        "(rank(log(product(rank(rank(correlation(vwap, sum(adv10, 49), 8))^4), 14))) < "
        "rank(correlation(rank(vwap), rank(volume), 5))) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        82,
        "min(rank(decay_linear(delta(open, 1), 14)), "
        "ts_rank(decay_linear(correlation(indneutralize(volume, sector), open * 0.634196 "
        "+ open * (1 - 0.634196), 17), 6), 13)) * -1",
        (FLOORED, GROUPED),
    ),
    Published(
        83,
        "(rank(delay((high - low) / (sum(close, 5) / 5), 2)) * rank(rank(volume))) / "
        "(((high - low) / (sum(close, 5) / 5)) / (vwap - close))",
        (VWAP,),
    ),
    Published(
        84,
        "signedpower(ts_rank(vwap - ts_max(vwap, 15), 20), delta(close, 4))",
        (FLOORED, VWAP),
    ),
    Published(
        85,
        "rank(correlation(high * 0.876703 + close * (1 - 0.876703), adv30, "
        "9))^rank(correlation(ts_rank((high + low) / 2, 3), ts_rank(volume, 10), 7))",
        (FLOORED,),
    ),
    Published(
        86,
        "(ts_rank(correlation(close, sum(adv20, 14), 6), 20) < rank((open + close) - "
        "(vwap + open))) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        87,
        "max(rank(decay_linear(delta(close * 0.369701 + vwap * (1 - 0.369701), 1), 2)), "
        "ts_rank(decay_linear(abs(correlation(indneutralize(adv81, industry), close, "
        "13)), 4), 14)) * -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        88,
        "min(rank(decay_linear((rank(open) + rank(low)) - (rank(high) + rank(close)), "
        "8)), ts_rank(decay_linear(correlation(ts_rank(close, 8), ts_rank(adv60, 20), 8), "
        "6), 2))",
        (FLOORED,),
    ),
    Published(
        89,
        "ts_rank(decay_linear(correlation(low * 0.967285 + low * (1 - 0.967285), adv10, "
        "6), 5), 3) - ts_rank(decay_linear(delta(indneutralize(vwap, industry), 3), 10), "
        "15)",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        90,
        "rank(close - ts_max(close, 4))^ts_rank(correlation(indneutralize(adv40, "
        "subindustry), low, 5), 3) * -1",
        (FLOORED, GROUPED),
    ),
    Published(
        91,
        "(ts_rank(decay_linear(decay_linear(correlation(indneutralize(close, industry), "
        "volume, 9), 16), 3), 4) - rank(decay_linear(correlation(vwap, adv30, 4), 2))) * "
        "-1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        92,
        "min(ts_rank(decay_linear((high + low) / 2 + close < low + open, 14), 18), "
        "ts_rank(decay_linear(correlation(rank(low), rank(adv30), 7), 6), 6))",
        (FLOORED,),
    ),
    Published(
        93,
        "ts_rank(decay_linear(correlation(indneutralize(vwap, industry), adv81, 17), 19), "
        "7) / rank(decay_linear(delta(close * 0.524434 + vwap * (1 - 0.524434), 2), 16))",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        94,
        "rank(vwap - ts_min(vwap, 11))^ts_rank(correlation(ts_rank(vwap, 19), "
        "ts_rank(adv60, 4), 18), 2) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        95,
        "rank(open - ts_min(open, 12)) < ts_rank(rank(correlation(sum((high + low) / 2, "
        "19), sum(adv40, 19), 12))^5, 11)",
        (FLOORED,),
    ),
    Published(
        96,
        "max(ts_rank(decay_linear(correlation(rank(vwap), rank(volume), 3), 4), 8), "
        "ts_rank(decay_linear(ts_argmax(correlation(ts_rank(close, 7), ts_rank(adv60, 4), "
        "3), 12), 14), 13)) * -1",
        (FLOORED, VWAP),
    ),
    Published(
        97,
        "(rank(decay_linear(delta(indneutralize(low * 0.721001 + vwap * (1 - 0.721001), "
        "industry), 3), 20)) - ts_rank(decay_linear(ts_rank(correlation(ts_rank(low, 7), "
        "ts_rank(adv60, 17), 4), 18), 15), 6)) * -1",
        (FLOORED, VWAP, GROUPED),
    ),
    Published(
        98,
        "rank(decay_linear(correlation(vwap, sum(adv5, 26), 4), 7)) - "
        "rank(decay_linear(ts_rank(ts_argmin(correlation(rank(open), rank(adv15), 20), "
        "8), 6), 8))",
        (FLOORED, VWAP),
    ),
    Published(
        99,
        "(rank(correlation(sum((high + low) / 2, 19), sum(adv60, 19), 8)) < "
        "rank(correlation(low, volume, 6))) * -1",
        (FLOORED,),
    ),
    Published(
        100,
        "0 - 1 * ((1.5 * scale(indneutralize(indneutralize(rank((((close - low) - (high - "
        "close)) / (high - low)) * volume), subindustry), subindustry)) - "
        "scale(indneutralize(correlation(close, rank(adv20), 5) - rank(ts_argmin(close, "
        "30)), subindustry))) * (volume / adv20))",
        (GROUPED,),
    ),
    Published(
        101,
        "(close - open) / ((high - low) + 0.001)",
    ),
)

_NUMBERS = {entry.number: entry for entry in PUBLISHED}
_NAME = re.compile(r"\s*alpha\s*#?\s*(\d{1,3})\s*", re.IGNORECASE)


def named(text: str) -> Published | None:
    """Return the formula that ``text`` names, such as ``Alpha#12``; None when it names none.

    Raises
    ------
    Invalid
        ``expression.not_published`` for a number the catalogue lacks.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    number = int(found[1])
    if number not in _NUMBERS:
        why = LEFT_OUT.get(number, "The paper has formulas 1 to 101.")
        message = f"the catalogue has no Alpha#{number}. {why}"
        raise refuse("not_published", found.start(1) + 1, message)
    return _NUMBERS[number]
