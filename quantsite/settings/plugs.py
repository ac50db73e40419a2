"""Plugs by name: adding one is a line here, a module, a contract test and a line in the docs."""

MARKET_PROVIDERS: dict[str, dict[str, object]] = {}
BROKERS: dict[str, dict[str, object]] = {}
LLMS: dict[str, dict[str, object]] = {}
STRATEGY_LIBRARY: dict[str, dict[str, object]] = {
    "buy_and_hold": {"CLASS": "apps.strategies.library.buy_and_hold.BuyAndHold"},
    "sma_crossover": {"CLASS": "apps.strategies.library.sma_crossover.SmaCrossover"},
    "momentum_12_1": {"CLASS": "apps.strategies.library.momentum_12_1.Momentum121"},
}
