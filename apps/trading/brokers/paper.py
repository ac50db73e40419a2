"""The built-in paper broker: plays each bar with the engine's own step."""

from __future__ import annotations

import math

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.kept import KeptSession
from apps.backtests.kernel.results import Fills
from apps.trading.brokers.base import Ack, Capabilities, Execution, OrderTicket

SIDES = ("buy", "sell")


class PaperBroker:
    """Orders of every kind, filled on the bars of the account's feed.

    Deployments go through the same compiled step as a backtest, with all of its costs, so that a
    replayed deployment and a backtest agree to the cent. There is no order book: size moves no
    price beyond the account's slippage, spread and impact.
    """

    capabilities = Capabilities(
        name="paper",
        title="Paper (built in)",
        is_paper=True,
        kinds=("market", "target", "limit", "stop", "stop_limit", "trailing"),
        fractional=True,
        shorts=True,
        deduplicates=True,
    )

    def submit(self, ticket: OrderTicket) -> Ack:
        """Accept what can be filled; refuse the rest with a code."""
        refusal = self._refusal(ticket)
        if refusal:
            return Ack(ticket.client_id, accepted=False, code=refusal[0], message=refusal[1])
        return Ack(ticket.client_id, accepted=True, venue_id=f"paper-{ticket.client_id}")

    def _refusal(self, ticket: OrderTicket) -> tuple[str, str] | None:
        if ticket.kind not in self.capabilities.kinds:
            kinds = " and ".join(self.capabilities.kinds)
            return "broker.kind", f"The paper broker has no {ticket.kind} orders; it has {kinds}."
        if ticket.side not in SIDES:
            return "broker.side", f"The side is {ticket.side!r}; it is buy or sell."
        if ticket.kind == "target":
            weight = ticket.target_weight
            if weight is None or not math.isfinite(weight):
                return "broker.target", "A target order needs a finite target weight."
        elif not (math.isfinite(ticket.quantity) and ticket.quantity > 0.0):
            return "broker.quantity", f"The quantity is {ticket.quantity}; it must be positive."
        return None

    def cancel(self, client_id: str) -> Ack:
        """Take the order back; nothing is ever on the wire here."""
        return Ack(client_id, accepted=True, venue_id=f"paper-{client_id}")

    def play(self, session: KeptSession) -> Fills:
        """Play the next bar by the engine's step."""
        before = session.count_fills()
        session.advance()
        return session.fills_since(before)

    def fill_quantity(self, quantity: float, price: float, costs: Costs) -> Execution:
        """Return the fill of a signed quantity: a worse price, and the fees of taking."""
        got = price * (1.0 + math.copysign(costs.slippage, quantity))
        fee = abs(quantity) * got * costs.fee + abs(quantity) * costs.per_unit
        return Execution(quantity, got, fee)
