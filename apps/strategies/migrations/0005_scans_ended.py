"""Scans from before signals were told are over: nobody is told of them now."""

from django.db import migrations

# In a migration of its own: rows can't change in the transaction that changed their table.
ENDED = "UPDATE strategies_scan SET finished_at = created_at WHERE finished_at IS NULL"


class Migration(migrations.Migration):
    dependencies = [("strategies", "0004_signal_alerts")]

    operations = [migrations.RunSQL(ENDED, migrations.RunSQL.noop)]
