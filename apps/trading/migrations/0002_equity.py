"""The equity table: plain SQL, a hypertable where TimescaleDB is there."""

from django.db import migrations

CREATE = """
CREATE TABLE trading_equity (
    account_id int8 NOT NULL,
    deployment_id int8 NOT NULL,
    epoch int4 NOT NULL,
    ts timestamptz NOT NULL,
    equity float8 NOT NULL,
    cash float8 NOT NULL,
    gross float8 NOT NULL,
    net float8 NOT NULL,
    PRIMARY KEY (account_id, deployment_id, epoch, ts),
    -- NaN sorts above infinity in PostgreSQL, so the upper bounds refuse both.
    CONSTRAINT equity_finite CHECK (
        equity > '-Infinity' AND equity < 'Infinity' AND cash > '-Infinity' AND cash < 'Infinity'
        AND gross >= 0 AND gross < 'Infinity' AND net > '-Infinity' AND net < 'Infinity'
    )
);
COMMENT ON TABLE trading_equity IS
    'Equity at each bar close by account (deployment 0) and deployment; ts is the close';
"""
DROP = "DROP TABLE trading_equity"
HYPERTABLE = "SELECT create_hypertable('trading_equity', by_range('ts', INTERVAL '1 year'))"


def make_hypertable(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is not None:
            cursor.execute(HYPERTABLE)


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(make_hypertable, migrations.RunPython.noop),
    ]
