"""The engine in plain Python, straight from its rules; slow, for tests only."""

import math


def equity_after_costs(equity, values, weights, buy, sell):
    """Bisect x + costs(x) = equity."""

    def costs(x):
        total = 0.0
        for value, weight in zip(values, weights, strict=True):
            change = weight * x - value
            total += change * buy if change > 0 else -change * sell
        return total

    low, high = 0.0, equity
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + costs(middle) < equity else (low, middle)
    return high if costs(high) else equity


def play(prices, close, targets, *, delay, cash, fee=0.0, slippage=0.0, whole=False):
    """Return equity and cash by bar and the fills (bar, asset, quantity, price, fee)."""
    n_bars, n_assets = close.shape
    held, marks = [0.0] * n_assets, [math.nan] * n_assets
    wanted, equity_by_bar, cash_by_bar, fills = {}, [], [], []
    for i in range(n_bars):
        if i >= delay:
            row = targets[i - delay]
            wanted |= {a: row[a] for a in range(n_assets) if not math.isnan(row[a])}
        due = {a: w for a, w in wanted.items() if not math.isnan(prices[i][a])}
        wanted = {a: w for a, w in wanted.items() if a not in due}
        priced = [marks[a] if math.isnan(prices[i][a]) else prices[i][a] for a in range(n_assets)]
        worth = cash + sum(held[a] * priced[a] for a in range(n_assets) if held[a])
        asked = sum(abs(w) for w in due.values()) + sum(abs(w) for w in wanted.values())
        changes = sizes(due, held, priced, worth, fee, slippage, whole)
        changes = without_borrowing(changes, asked, held, priced, cash, fee, slippage, whole)
        for a, size in changes.items():
            price = priced[a] * (1 + slippage if size > 0 else 1 - slippage)
            paid = abs(size) * price * fee
            cash -= size * price + paid
            held[a] += size
            fills.append((i, a, size, price, paid))
        for a in range(n_assets):
            marks[a] = marks[a] if math.isnan(close[i][a]) else close[i][a]
        value = cash + sum(held[a] * marks[a] for a in range(n_assets) if held[a])
        if value <= 0 and any(held):
            wanted = dict.fromkeys(range(n_assets), 0.0)
        equity_by_bar.append(value)
        cash_by_bar.append(cash)
    return equity_by_bar, cash_by_bar, fills


def sizes(due, held, priced, worth, fee, slippage, whole):
    buy, sell = slippage + fee * (1 + slippage), slippage + fee * (1 - slippage)
    values = [held[a] * priced[a] for a in due]
    base = equity_after_costs(worth, values, list(due.values()), buy, sell) if worth > 0 else 0.0
    changes = {}
    for a, weight in sorted(due.items()):
        goal = weight * base / priced[a]
        goal = math.trunc(goal + math.copysign(2e-9, goal)) if whole else goal
        if abs(goal - held[a]) > 1e-12 * max(abs(goal), abs(held[a])):
            changes[a] = goal - held[a]
    return changes


def without_borrowing(changes, asked, held, priced, cash, fee, slippage, whole):
    back = {a: min(max(-held[a], 0.0), q) for a, q in changes.items() if q > 0}
    more = {a: changes[a] - back[a] for a in back}
    gain = sum(-q * priced[a] * (1 - slippage) * (1 - fee) for a, q in changes.items() if q < 0)
    must = sum(q * priced[a] * (1 + slippage) * (1 + fee) for a, q in back.items())
    spend = sum(q * priced[a] * (1 + slippage) * (1 + fee) for a, q in more.items())
    there = cash + gain - must
    if asked > 1 + 1e-9 or spend <= there * (1 + 1e-12) or not spend:
        return changes
    share = max(there, 0.0) / spend
    for a in more:
        added = more[a] * share
        changes[a] = back[a] + (math.floor(added + 1e-9) if whole else added)
    return {a: q for a, q in changes.items() if q}
