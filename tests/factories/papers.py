"""The risk of a made-up book, as the report takes it."""

LEVELS = (0.95, 0.99)


def measure(method, **more):
    levels = [
        {"level": level, "var": 0.0123 + at / 100, "es": 0.0234 + at / 100, "var_error": 0.0011,
         "es_error": None, "errors": "e", "observations": 250, "missing": 0}
        for at, level in enumerate(LEVELS)
    ]  # fmt: skip
    told = {"method": method, "words": "w", "levels": levels, "notes": [], "why_not": ""}
    return {**told, "in_force": False, "colour": "green", **more}


def body(**more):
    """A summary of two positions with something of everything."""
    ts = [f"2024-{1 + i // 28:02}-{1 + i % 28:02}T00:00:00" for i in range(60)]
    part = {"component_var": 0.01, "component_es": 0.02, "alone_es": 0.03, "incremental_es": 0.0}
    found = {
        "subject": "account:7",
        "title": "Paper <One> & Two",
        "as_of": "2024-03-04T00:00:00+00:00",
        "equity": 123456.78,
        "currency": "USD",
        "timeframe": "1d",
        "digest": "ab" * 32,
        "sample": {"how": "returns", "observations": 250, "notes": ["Said."], "first": ts[0],
                   "last": ts[-1], "returns_digest": "cd" * 32},
        "exposure": {"gross": 0.9, "net": -0.1, "positions": 2},
        "measures": [
            measure("fhs", in_force=True, notes=["A note."]),
            measure("garch", levels=[], colour="ungraded", why_not="Too few."),
        ],
        "fan": {"method": "fhs", "horizons": [1, 2, 3], "why_not": "",
                "lines": [{"level": x, "var": [x / 50, x / 40, x / 30]} for x in (0.9, 0.99)]},
        "exceptions": {"title": "t", "model": "fhs", "level": 0.99, "ts": ts, "why_not": "",
                       "returns": [(-1) ** i * i / 2000 for i in range(60)],
                       "var": [0.02] * 60, "es": [0.03] * 60},
        "components": {"method": "historical", "level": 0.99, "why_not": "", "var": 0.02,
                       "es": 0.04, "sum_var": 0.02, "sum_es": 0.04, "notes": [],
                       "positions": [{"name": name, "weight": 0.5, **part} for name in "AB"]},
        "liquidity": {"why_not": "No volumes of A.", "level": 0.99, "participation": 0.1},
        "stress": {"why_not": "", "scenarios": [
            {"name": "oil", "title": "Oil falls", "version": 2, "loss": 0.111, "covered": 1.0}],
            "crises": [{"name": "2008-09", "title": "Lehman and after", "start": "2008-09-12",
                        "end": "2008-11-20", "loss": 0.345, "covered": 0.75, "drawdown": 0.4,
                        "worst_day": 0.05, "why_not": ""},
                       {"name": "1987-10", "title": "Black Monday", "covered": 0.0,
                        "why_not": "No prices."}]},
        "limits": {"rows": [{"limit": "max_positions", "label": "Positions held", "used": 2.0,
                             "allowed": 20, "places": 0, "ratio": 0.1, "breached": False}],
                   "off": [], "set_for": "the lab's defaults", "strategies": []},
        "stops": [{"scope": "account:7", "state": "ok", "blocks": False, "cause": "",
                   "drawdown": 0.01, "daily_loss": 0.0, "drawdown_limit": 0.2,
                   "daily_loss_limit": None, "used": 0.05}],
        "breaches": {"counts": [{"code": "limit.rate", "count": 3, "last": ts[0]}],
                     "rows": [{"at": ts[0], "subject": "account:7", "code": "limit.rate",
                               "message": "Too fast."}]},
        "grades": {"in_force": "fhs", "colour": "yellow", "reason": "", "days": 250,
                   "until": ts[-1], "models": [
                       {"model": "fhs", "colour": "yellow", "in_force": True, "why_not": "",
                        "levels": [{"level": x, "exceptions": 9, "expected": 2.5,
                                    "zone": "yellow"} for x in LEVELS]},
                       {"model": "garch", "colour": "ungraded", "in_force": False,
                        "why_not": "Too few.", "levels": []}]},
    }  # fmt: skip
    return {**found, **more}
