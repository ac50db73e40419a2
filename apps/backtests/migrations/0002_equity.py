"""Equity by bar: a plain table, a hypertable where TimescaleDB is there."""

from django.db import migrations

CREATE = """
CREATE TABLE backtests_equity (
    run_id uuid NOT NULL REFERENCES backtests_run (id) ON DELETE CASCADE,
    ts timestamptz NOT NULL,
    equity float8 NOT NULL,
    cash float8 NOT NULL,
    drawdown float8 NOT NULL,
    exposure float8 NOT NULL,
    net_exposure float8 NOT NULL,
    benchmark float8 NOT NULL,
    PRIMARY KEY (run_id, ts)
);
COMMENT ON TABLE backtests_equity IS 'Curves of runs at each close; NaN where nothing is known';
"""
DROP = "DROP TABLE backtests_equity;"
HYPERTABLE = "SELECT create_hypertable('backtests_equity', by_range('ts', INTERVAL '10 years'))"


def make_hypertable(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is not None:
            cursor.execute(HYPERTABLE)


class Migration(migrations.Migration):
    dependencies = [("backtests", "0001_initial")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(make_hypertable, migrations.RunPython.noop),
    ]
