"""Members, tokens and invitations are seen by their team only; who asks is found by the lab."""

from django.db import migrations

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("core", "0003_row_security")]
    operations = [
        *guard("accounts_team", column="id"),
        *guard("accounts_membership", "accounts_token", "accounts_invitation"),
    ]
