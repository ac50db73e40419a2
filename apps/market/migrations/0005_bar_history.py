"""Bars that were superseded: what was known until when."""

from django.db import migrations

CREATE = """
CREATE TABLE market_bar_history (
    series_id int4 NOT NULL,
    ts timestamptz NOT NULL,
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    volume float8 NOT NULL,
    batch_id int4 NOT NULL,
    superseded_by int4 NOT NULL,
    superseded_at timestamptz NOT NULL,
    PRIMARY KEY (series_id, ts, superseded_by)
);
COMMENT ON TABLE market_bar_history IS
    'Bars as they were until superseded_at, when batch superseded_by changed or withdrew them';
"""
DROP = "DROP TABLE market_bar_history;"
HYPERTABLE = "SELECT create_hypertable('market_bar_history', by_range('ts', INTERVAL '5 years'))"


def make_hypertable(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is not None:
            cursor.execute(HYPERTABLE)


class Migration(migrations.Migration):
    dependencies = [("market", "0004_depth")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(make_hypertable, migrations.RunPython.noop),
    ]
