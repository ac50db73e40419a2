"""Plugs by name: adding one is a line here, a module, a contract test and a line in the docs."""

from quantsite import env

MARKET_PROVIDERS: dict[str, dict[str, object]] = {
    "sample": {
        "CLASS": "apps.market.providers.sample.SampleProvider",
        "OPTIONS": {"folder": str(env.BASE_DIR / "data" / "sample")},
    },
    "replay": {
        "CLASS": "apps.market.providers.replay.ReplayProvider",
        "OPTIONS": {"folder": str(env.BASE_DIR / "data" / "sample")},
    },
    "upload": {"CLASS": "apps.market.providers.upload.UploadProvider"},
}
BROKERS: dict[str, dict[str, object]] = {}
LLMS: dict[str, dict[str, object]] = {}
STRATEGY_LIBRARY: dict[str, dict[str, object]] = {
    "buy_and_hold": {"CLASS": "apps.strategies.library.buy_and_hold.BuyAndHold"},
    "sma_crossover": {"CLASS": "apps.strategies.library.sma_crossover.SmaCrossover"},
    "momentum_12_1": {"CLASS": "apps.strategies.library.momentum_12_1.Momentum121"},
    "expression": {"CLASS": "apps.strategies.library.expression.Expression"},
}
