"""Accounts, deployments, orders and what follows are seen by their team only; a halt of all by all."""

from django.db import migrations

from apps.core.row_security import guard, guard_children


class Migration(migrations.Migration):
    dependencies = [("trading", "0003_orders_and_costs"), ("core", "0003_row_security")]
    operations = [
        *guard("trading_account", "trading_deployment", "trading_order"),
        *guard("trading_halt", shared=True),
        *guard_children(
            ("trading_fill", "account_id", "trading_account"),
            ("trading_position", "account_id", "trading_account"),
        ),
    ]
