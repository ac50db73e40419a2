"""Limits, risk reports and breaches are seen by their team only."""

from django.db import migrations

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("risk", "0001_initial"), ("core", "0003_row_security")]
    operations = guard("risk_limitset", "risk_riskreport", "risk_breach")
