"""The peer of the event gear: nautilus_trader in its own environment, one run per line asked.

Standalone: it is given a file of bars and sees nothing of the lab. It prints the fills of a first
run, then the seconds of one run for every line it reads.
"""

import json
import sys
import time

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

DECIMALS = 6


class Settings(StrategyConfig, frozen=True):
    bar_type: BarType
    instrument_id: InstrumentId
    fast: int
    slow: int
    cash: float


class Crossover(Strategy):
    """All cash in when the fast average is above the slow one, else out; market orders."""

    def __init__(self, config):
        super().__init__(config)
        self.fast = SimpleMovingAverage(config.fast)
        self.slow = SimpleMovingAverage(config.slow)
        self.cash, self.held, self.fills = config.cash, 0, []

    def on_start(self):
        self.register_indicator_for_bars(self.config.bar_type, self.fast)
        self.register_indicator_for_bars(self.config.bar_type, self.slow)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar):
        if not self.slow.initialized:
            return
        if self.fast.value > self.slow.value:
            if not self.held:
                self.order(OrderSide.BUY, int(self.cash / bar.close.as_double()))
        elif self.held:
            self.order(OrderSide.SELL, self.held)

    def order(self, side, units):
        quantity = Quantity.from_int(units)
        self.submit_order(self.order_factory.market(self.config.instrument_id, side, quantity))

    def on_order_filled(self, event):
        units = int(event.last_qty) * (1 if event.order_side == OrderSide.BUY else -1)
        price = event.last_px.as_double()
        self.cash -= units * price
        self.held += units
        self.fills.append((event.ts_event, units, price))

    def on_reset(self):
        self.cash, self.held, self.fills = self.config.cash, 0, []


def equity():
    return Equity(
        instrument_id=InstrumentId(Symbol("X"), Venue("SIM")),
        raw_symbol=Symbol("X"),
        currency=USD,
        price_precision=DECIMALS,
        price_increment=Price(10.0**-DECIMALS, DECIMALS),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def bars(content, bar_type):
    fields = [content[name] for name in ("open", "high", "low", "close")]
    volume = Quantity.from_int(1_000_000_000)
    for i, ts in enumerate((content["ts"] * 1000).tolist()):
        prices = [Price(float(field[i]), DECIMALS) for field in fields]
        yield Bar(bar_type, *prices, volume, ts, ts)


def main(path, fast, slow, cash):
    instrument = equity()
    bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        Venue("SIM"), OmsType.NETTING, AccountType.CASH, [Money(cash, USD)], base_currency=USD
    )
    engine.add_instrument(instrument)
    engine.add_data(list(bars(np.load(path), bar_type)))
    strategy = Crossover(Settings(bar_type, instrument.id, fast, slow, cash))
    engine.add_strategy(strategy)
    engine.run()
    sys.stdout.write(json.dumps(strategy.fills) + "\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        engine.reset()
        started = time.perf_counter()
        engine.run()
        sys.stdout.write(f"{time.perf_counter() - started}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
