"""What runs have done is told by their tasks alone, no longer by an array that grows."""

from django.db import migrations, models

CARRY_OVER = """
INSERT INTO market_ingesttask (run_id, seq, symbol, timeframe, status, attempts, rows)
SELECT r.id, k.at - 1, split_part(k.name, '@', 1), split_part(k.name, '@', 2), 'done', 1, 0
FROM market_ingestrun r CROSS JOIN LATERAL unnest(r.done) WITH ORDINALITY AS k (name, at);
INSERT INTO market_ingesttask (run_id, seq, symbol, timeframe, status, attempts, rows, error)
SELECT r.id, cardinality(r.done) + row_number() OVER (PARTITION BY r.id ORDER BY k.key) - 1,
    split_part(k.key, '@', 1), split_part(k.key, '@', 2), 'failed', 1, 0,
    jsonb_build_object('code', 'invalid', 'message', k.value)
FROM market_ingestrun r CROSS JOIN LATERAL jsonb_each_text(r.failed) AS k;
-- Their checks wait for the end of the transaction otherwise, and the table can't be changed.
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [("market", "0008_series_stamp")]
    operations = [
        migrations.RunSQL(CARRY_OVER, migrations.RunSQL.noop),
        migrations.RemoveField(model_name="ingestrun", name="done"),
        migrations.RemoveField(model_name="ingestrun", name="failed"),
        migrations.AddIndex(
            model_name="ingesttask",
            index=models.Index(fields=("run", "status", "seq"), name="ingest_task_by_status"),
        ),
    ]
