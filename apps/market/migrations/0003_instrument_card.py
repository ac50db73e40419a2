"""Instruments carry their line of a list as JSON text, so that a list is one scan."""

from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION market_instrument_card(wanted bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT row_to_json(card)::text FROM (
        SELECT i.id, i.symbol, i.name, i.kind, i.sector, i.venue, i.currency,
            d.name AS dataset, d.team_id IS NULL AS shared,
            (SELECT coalesce(json_agg(line), '[]'::json) FROM (
                SELECT s.timeframe, s.rows, s.first_at AS first, s.last_at AS last,
                    s.health -> 'score' AS health
                FROM market_series s WHERE s.instrument_id = i.id ORDER BY s.id
            ) line) AS series
        FROM market_instrument i JOIN market_dataset d ON d.id = i.dataset_id
        WHERE i.id = wanted
    ) card
$$
"""
FILL = "UPDATE market_instrument SET card = market_instrument_card(id)"


class Migration(migrations.Migration):
    dependencies = [("market", "0002_bars")]
    operations = [
        migrations.AddField("instrument", "card", models.TextField(null=True)),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION market_instrument_card(bigint)"),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
