"""Plugs by name: adding one is a line here, a module, a contract test and a line in the docs."""

MARKET_PROVIDERS: dict[str, dict[str, object]] = {}
BROKERS: dict[str, dict[str, object]] = {}
LLMS: dict[str, dict[str, object]] = {}
STRATEGY_LIBRARY: dict[str, dict[str, object]] = {}
