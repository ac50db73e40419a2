"""The bars and metrics tables: plain SQL, hypertables where TimescaleDB is there."""

from django.db import migrations

CREATE = """
CREATE TABLE market_bar (
    series_id int4 NOT NULL,
    ts timestamptz NOT NULL,
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    volume float8 NOT NULL,
    batch_id int4 NOT NULL,
    PRIMARY KEY (series_id, ts),
    -- NaN sorts above infinity in PostgreSQL, so the upper bounds refuse both.
    CONSTRAINT bar_prices_positive_and_finite
        CHECK (low > 0 AND high < 'Infinity' AND open > 0 AND close > 0),
    CONSTRAINT bar_high_is_highest CHECK (high >= open AND high >= close AND high >= low),
    CONSTRAINT bar_low_is_lowest CHECK (low <= open AND low <= close),
    CONSTRAINT bar_volume_finite CHECK (volume >= 0 AND volume < 'Infinity')
);
COMMENT ON TABLE market_bar IS 'Bars by series; ts is the open of the bar';
CREATE TABLE market_metric (
    instrument_id int8 NOT NULL,
    kind text NOT NULL,
    ts timestamptz NOT NULL,
    value float8 NOT NULL,
    batch_id int4 NOT NULL,
    PRIMARY KEY (instrument_id, kind, ts),
    CONSTRAINT metric_value_finite CHECK (value > '-Infinity' AND value < 'Infinity')
);
COMMENT ON TABLE market_metric IS 'Funding rates, factor returns and other figures by time';
"""
DROP = "DROP TABLE market_metric; DROP TABLE market_bar;"
HYPERTABLE = "SELECT create_hypertable(%s, by_range('ts', INTERVAL '5 years'))"


def make_hypertables(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is None:
            return
        for table in ("market_bar", "market_metric"):
            cursor.execute(HYPERTABLE, [table])


class Migration(migrations.Migration):
    dependencies = [("market", "0001_initial")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(make_hypertables, migrations.RunPython.noop),
    ]
