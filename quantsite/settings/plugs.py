"""Plugs by name: adding one is a line here, a module, a contract test and a line in the docs."""

from quantsite import env

CCXT = "apps.market.providers.ccxt.CcxtProvider"
MARKET_PROVIDERS: dict[str, dict[str, object]] = {
    "sample": {
        "CLASS": "apps.market.providers.sample.SampleProvider",
        "OPTIONS": {"folder": str(env.BASE_DIR / "data" / "sample")},
    },
    "replay": {
        "CLASS": "apps.market.providers.replay.ReplayProvider",
        "OPTIONS": {"folder": str(env.BASE_DIR / "data" / "sample")},
    },
    "fmp": {
        "CLASS": "apps.market.providers.fmp.FmpProvider",
        "OPTIONS": {"base_url": env.text("FMP_URL", "https://financialmodelingprep.com")},
    },
    "alpaca": {
        "CLASS": "apps.market.providers.alpaca.AlpacaProvider",
        "OPTIONS": {
            "base_url": env.text("ALPACA_DATA_URL", "https://data.alpaca.markets"),
            "trading_url": env.text("ALPACA_TRADING_URL", "https://paper-api.alpaca.markets"),
            "stream_url": env.text("ALPACA_STREAM_URL", "wss://stream.data.alpaca.markets/v2"),
            "feed": env.text("ALPACA_FEED", "iex"),
        },
    },
    "firi": {
        "CLASS": "apps.market.providers.firi.FiriProvider",
        "OPTIONS": {"base_url": env.text("FIRI_URL", "https://api.firi.com")},
    },
    "taapi": {
        "CLASS": "apps.market.providers.taapi.TaapiProvider",
        "OPTIONS": {"base_url": env.text("TAAPI_URL", "https://v2.taapi.io")},
    },
    "upload": {"CLASS": "apps.market.providers.upload.UploadProvider"},
    "binance": {"CLASS": CCXT, "OPTIONS": {"venue": "binance"}},
    "binanceusdm": {"CLASS": CCXT, "OPTIONS": {"venue": "binanceusdm"}},
    "bybit": {"CLASS": CCXT, "OPTIONS": {"venue": "bybit"}},
    "okx": {"CLASS": CCXT, "OPTIONS": {"venue": "okx"}},
    "kucoin": {"CLASS": CCXT, "OPTIONS": {"venue": "kucoin"}},
    "mexc": {"CLASS": CCXT, "OPTIONS": {"venue": "mexc"}},
    "kraken": {"CLASS": CCXT, "OPTIONS": {"venue": "kraken"}},
    "hyperliquid": {"CLASS": CCXT, "OPTIONS": {"venue": "hyperliquid"}},
    "coinalyze": {
        "CLASS": "apps.market.providers.coinalyze.CoinalyzeProvider",
        "OPTIONS": {"base_url": env.text("COINALYZE_URL", "https://api.coinalyze.net")},
    },
}
BROKERS: dict[str, dict[str, object]] = {
    "paper": {"CLASS": "apps.trading.brokers.paper.PaperBroker"},
}
# Asked in this order; one without what it needs is left out.
LLMS: dict[str, dict[str, object]] = {
    "none": {"CLASS": "apps.assistant.llms.none.NoModel"},
    "openai": {
        "CLASS": "apps.assistant.llms.openai.OpenAI",
        "OPTIONS": {
            "key": env.text("OPENAI_API_KEY"),
            "base_url": env.text("OPENAI_BASE_URL"),
            "model": env.text("OPENAI_MODEL", "gpt-4.1-mini"),
        },
    },
    "groq": {
        "CLASS": "apps.assistant.llms.groq.Groq",
        "OPTIONS": {
            "key": env.text("GROQ_API_KEY"),
            "base_url": env.text("GROQ_BASE_URL"),
            "model": env.text("GROQ_MODEL", "llama-3.3-70b-versatile"),
        },
    },
    "local": {
        "CLASS": "apps.assistant.llms.local.Local",
        "OPTIONS": {
            "key": env.text("LLM_API_KEY"),
            "base_url": env.text("LLM_BASE_URL"),
            "model": env.text("LLM_MODEL"),
        },
    },
}
# Where the figures of a kind of proposal are taken from; typed figures reach no gate.
EVIDENCE_SOURCES: dict[str, dict[str, object]] = {
    "promotion": {"CLASS": "apps.trading.selectors.evidence.PromotionEvidence"},
}
# What such proposals rest on, as files for their evidence packs.
EVIDENCE_FILES: dict[str, dict[str, object]] = {
    "promotion": {"CLASS": "apps.backtests.selectors.evidence.RunFiles"},
}
# What became of a kind of proposal, for its page.
PROPOSAL_OUTCOMES: dict[str, dict[str, object]] = {
    "order": {"CLASS": "apps.trading.selectors.trades.TradeOutcome"},
    "rebalance": {"CLASS": "apps.trading.selectors.balancers.RebalanceOutcome"},
    "promotion": {"CLASS": "apps.trading.selectors.promotions.PromotionOutcome"},
}
# What a decision brings about, in the deciding transaction.
DECISION_EFFECTS: dict[str, dict[str, object]] = {
    "stages": {"CLASS": "apps.strategies.receivers.StageMove"},
    "probes": {"CLASS": "apps.strategies.receivers.ProbeOfText"},
    "settings": {"CLASS": "apps.approvals.receivers.SettingChange"},
    "deployments": {"CLASS": "apps.trading.receivers.Lapsed"},
    "limits": {"CLASS": "apps.risk.receivers.LimitChange"},
    "resume": {"CLASS": "apps.trading.receivers.Resumption"},
    "stops": {"CLASS": "apps.risk.receivers.StopEnd"},
    "order": {"CLASS": "apps.trading.receivers.Trade"},
    "rebalance": {"CLASS": "apps.trading.receivers.Rebalance"},
    "balancer": {"CLASS": "apps.trading.receivers.BalancerChange"},
}
# Books that risk grades every night and stresses, by the kind of their subject.
RISK_BOOKS: dict[str, dict[str, object]] = {
    "account": {"CLASS": "apps.trading.selectors.books.AccountBooks"},
    "backtest": {"CLASS": "apps.backtests.selectors.books.RunBooks"},
    "team": {"CLASS": "apps.risk.selectors.teams.TeamBooks"},
}
# Books whose risk is told as it changes, by the kind of their subject.
RISK_LIVE: dict[str, dict[str, object]] = {
    "account": {"CLASS": "apps.trading.selectors.live.LiveAccounts"},
}
STRATEGY_LIBRARY: dict[str, dict[str, object]] = {
    "buy_and_hold": {"CLASS": "apps.strategies.library.buy_and_hold.BuyAndHold"},
    "sma_crossover": {"CLASS": "apps.strategies.library.sma_crossover.SmaCrossover"},
    "momentum_12_1": {"CLASS": "apps.strategies.library.momentum_12_1.Momentum121"},
    "expression": {"CLASS": "apps.strategies.library.expression.Expression"},
    "legacy_trend": {"CLASS": "apps.strategies.library.legacy_trend.LegacyTrend"},
    "geometric_breakout": {
        "CLASS": "apps.strategies.library.geometric_breakout.GeometricBreakout"
    },
    "institutional_breakout": {
        "CLASS": "apps.strategies.library.institutional_breakout.InstitutionalBreakout"
    },
    "time_series_momentum": {
        "CLASS": "apps.strategies.library.time_series_momentum.TimeSeriesMomentum"
    },
    "mean_reversion": {"CLASS": "apps.strategies.library.mean_reversion.MeanReversion"},
    "bollinger_breakout": {
        "CLASS": "apps.strategies.library.bollinger_breakout.BollingerBreakout"
    },
    "donchian_breakout": {"CLASS": "apps.strategies.library.donchian_breakout.DonchianBreakout"},
    "pairs": {"CLASS": "apps.strategies.library.pairs.Pairs"},
    "swing": {"CLASS": "apps.strategies.library.swing.Swing"},
    "scalping": {"CLASS": "apps.strategies.library.scalping.Scalping"},
    "given": {"CLASS": "apps.strategies.library.given.Given"},
}
# Servers that runs are mirrored to.
TRACKERS: dict[str, dict[str, object]] = {
    "mlflow": {"CLASS": "apps.backtests.providers.mlflow.Mlflow"},
}
# Where the Python of users runs; there is no way to run it outside.
SANDBOXES: dict[str, dict[str, object]] = {
    "default": {
        "CLASS": "apps.strategies.sandbox.bubblewrap.Bubblewrap",
        "OPTIONS": {
            "home": str(env.sandbox_home()),
            "uid": env.number("SANDBOX_UID", 64001),
            "seconds": env.number("SANDBOX_SECONDS", 60),
            "memory_mb": env.number("SANDBOX_MEMORY_MB", 1024),
            "tiers": tuple(env.text("SANDBOX_TIERS", "A,B").split(",")),
        },
    },
}
