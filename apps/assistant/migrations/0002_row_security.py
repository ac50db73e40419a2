"""Searches, hypotheses and what they cost are seen by their team only."""

from django.db import migrations

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("assistant", "0001_initial"), ("core", "0003_row_security")]
    operations = guard("assistant_search", "assistant_hypothesis", "assistant_usage")
