"""Bars of a minute in a table of their own, and what is known of the server's aggregates."""

from django.db import migrations, models

CREATE = """
CREATE TABLE market_bar_minute (LIKE market_bar INCLUDING CONSTRAINTS);
ALTER TABLE market_bar_minute ADD PRIMARY KEY (series_id, ts);
COMMENT ON TABLE market_bar_minute IS 'Bars of one minute by series; ts is the open of the bar';
"""
DROP = "DROP TABLE market_bar_minute;"
MOVE = """
WITH gone AS (
    DELETE FROM {source} b USING market_series s
    WHERE s.id = b.series_id AND s.timeframe = '1m' RETURNING b.*
)
INSERT INTO {target} SELECT * FROM gone;
"""
HYPERTABLE = """
SELECT create_hypertable('market_bar_minute', by_range('ts', INTERVAL '1 month'),
    create_default_indexes => false)
"""
# Nothing asks for bars by time alone; the index cost every write.
UNASKED = "DROP INDEX IF EXISTS {table}_ts_idx"


def make_hypertable(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is None:
            return
        cursor.execute(HYPERTABLE)
        for table in ("market_bar", "market_bar_history", "market_metric"):
            cursor.execute(UNASKED.format(table=table))


class Migration(migrations.Migration):
    dependencies = [("market", "0011_versions")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(make_hypertable, migrations.RunPython.noop),
        migrations.RunSQL(
            MOVE.format(source="market_bar", target="market_bar_minute"),
            MOVE.format(source="market_bar_minute", target="market_bar"),
        ),
        migrations.AddField(
            model_name="series", name="seen_stamp", field=models.UUIDField(null=True)
        ),
        migrations.AddField(
            model_name="series", name="seen_at", field=models.DateTimeField(null=True)
        ),
        migrations.CreateModel(
            name="StorageStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, unique=True)),
                ("statement", models.TextField()),
                ("error", models.TextField(blank=True, default="")),
                ("at", models.DateTimeField()),
            ],
            options={"ordering": ("id",)},
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("timeframe", models.CharField(max_length=4)),
                ("holds_before", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-finished_at",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("timeframe", "finished_at"), name="rollup_once"
                    )
                ],
            },
        ),
    ]
