"""Actions, figures, memberships and renames keep what they replace; revisions of all of them."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

CREATE_METRIC_HISTORY = """
CREATE TABLE market_metric_history (
    instrument_id int8 NOT NULL,
    kind text NOT NULL,
    ts timestamptz NOT NULL,
    value float8 NOT NULL,
    batch_id int4 NOT NULL,
    superseded_by int4 NOT NULL,
    superseded_at timestamptz NOT NULL,
    PRIMARY KEY (instrument_id, kind, ts, superseded_by)
);
COMMENT ON TABLE market_metric_history IS
    'Figures as they were until superseded_at, when batch superseded_by changed them';
"""
DROP_METRIC_HISTORY = "DROP TABLE market_metric_history;"
HYPERTABLE = (
    "SELECT create_hypertable('market_metric_history', by_range('ts', INTERVAL '5 years'))"
)
# What is there already counts as known since the first batch of its dataset.
KNOWN_SINCE = """
WITH since AS (
    SELECT d.id, coalesce(min(k.created_at), d.created_at) AS at
    FROM market_dataset d LEFT JOIN market_batch k ON k.dataset_id = d.id GROUP BY d.id
)
UPDATE {table} t SET known_at = since.at FROM since WHERE since.id = {dataset};
"""
KNOWN = "".join(
    KNOWN_SINCE.format(table=table, dataset=dataset)
    for table, dataset in (
        (
            "market_action",
            "(SELECT i.dataset_id FROM market_instrument i WHERE i.id = t.instrument_id)",
        ),
        ("market_membership", "t.dataset_id"),
        ("market_rename", "t.dataset_id"),
    )
)
FILL_INSTRUMENT = """
UPDATE market_revision r SET instrument_id = s.instrument_id
FROM market_series s WHERE s.id = r.series_id;
SET CONSTRAINTS ALL IMMEDIATE;
"""
LAB = "(SELECT quantsite_is_lab())"
TEAM = "(SELECT quantsite_team())"
BY_INSTRUMENT = (
    "EXISTS (SELECT 1 FROM market_instrument up WHERE up.id = {table}.instrument_id)",
    "EXISTS (SELECT 1 FROM market_instrument up JOIN market_dataset d ON d.id = up.dataset_id"
    f" WHERE up.id = {{table}}.instrument_id AND d.team_id = {TEAM})",
)
BY_DATASET = (
    "EXISTS (SELECT 1 FROM market_dataset up WHERE up.id = {table}.dataset_id)",
    "EXISTS (SELECT 1 FROM market_dataset up"
    f" WHERE up.id = {{table}}.dataset_id AND up.team_id = {TEAM})",
)
NEW_TABLES = (
    ("market_actionhistory", BY_INSTRUMENT),
    ("market_membershiphistory", BY_DATASET),
    ("market_renamehistory", BY_DATASET),
)
POLICIES = """
CREATE POLICY seen ON {table} FOR SELECT USING ({seen});
CREATE POLICY added ON {table} FOR INSERT WITH CHECK ({own});
CREATE POLICY changed ON {table} FOR UPDATE USING ({own}) WITH CHECK ({own});
CREATE POLICY removed ON {table} FOR DELETE USING ({own});
"""
ENABLE = "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
DROP_POLICIES = """
DROP POLICY seen ON {table};
DROP POLICY added ON {table};
DROP POLICY changed ON {table};
DROP POLICY removed ON {table};
"""


def policies(table, rules):
    seen, own = (f"{LAB} OR {rule.format(table=table)}" for rule in rules)
    return POLICIES.format(table=table, seen=seen, own=own)


def guard(table, rules):
    return migrations.RunSQL(
        ENABLE.format(table=table) + policies(table, rules),
        DROP_POLICIES.format(table=table),
    )


def make_hypertable(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is not None:
            cursor.execute(HYPERTABLE)


def to_batch():
    return models.ForeignKey(
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to="market.batch",
    )


def known_at():
    return models.DateTimeField(db_default=django.db.models.functions.datetime.Now())


def superseded():
    return [
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        ("batch", to_batch()),
        ("known_at", models.DateTimeField()),
        ("superseded_by", to_batch()),
        ("superseded_at", models.DateTimeField()),
    ]


def of(model, name):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, related_name=name, to=model
    )


ORDER = {"ordering": ("superseded_at", "id")}


class Migration(migrations.Migration):
    dependencies = [("market", "0010_live_feeds")]

    operations = [
        *(
            operation
            for model in ("action", "membership", "rename")
            for operation in (
                migrations.AddField(model_name=model, name="batch", field=to_batch()),
                migrations.AddField(model_name=model, name="known_at", field=known_at()),
            )
        ),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="ActionHistory",
            fields=[
                *superseded(),
                ("kind", models.CharField(max_length=10)),
                ("on", models.DateField()),
                ("value", models.FloatField()),
                ("factor", models.FloatField()),
                ("instrument", of("market.instrument", "action_history")),
            ],
            options=ORDER,
        ),
        migrations.CreateModel(
            name="MembershipHistory",
            fields=[
                *superseded(),
                ("index", models.SlugField(max_length=40)),
                ("symbol", models.CharField(max_length=40)),
                ("joined_on", models.DateField(null=True)),
                ("left_on", models.DateField(null=True)),
                ("source", models.CharField(blank=True, default="", max_length=200)),
                ("dataset", of("market.dataset", "membership_history")),
            ],
            options=ORDER,
        ),
        migrations.CreateModel(
            name="RenameHistory",
            fields=[
                *superseded(),
                ("before", models.CharField(max_length=40)),
                ("after", models.CharField(max_length=40)),
                ("on", models.DateField()),
                ("dataset", of("market.dataset", "rename_history")),
            ],
            options=ORDER,
        ),
        *(guard(table, rules) for table, rules in NEW_TABLES),
        migrations.RunSQL(CREATE_METRIC_HISTORY, DROP_METRIC_HISTORY),
        migrations.RunPython(make_hypertable, migrations.RunPython.noop),
        migrations.AddField(
            model_name="reader",
            name="reads",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), default=list, size=None
            ),
        ),
        migrations.RemoveConstraint(model_name="revision", name="revision_once"),
        migrations.AddField(
            model_name="revision",
            name="kind",
            field=models.CharField(default="bars", max_length=60),
        ),
        migrations.AddField(
            model_name="revision",
            name="instrument",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="revisions",
                to="market.instrument",
            ),
        ),
        migrations.RunSQL(FILL_INSTRUMENT, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="revision", name="instrument", field=of("market.instrument", "revisions")
        ),
        migrations.AlterField(
            model_name="revision",
            name="series",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="revisions",
                to="market.series",
            ),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.UniqueConstraint(
                fields=("batch", "instrument", "series", "kind"),
                name="revision_once",
                nulls_distinct=False,
            ),
        ),
        migrations.RunSQL(
            DROP_POLICIES.format(table="market_revision")
            + policies("market_revision", BY_INSTRUMENT),
            migrations.RunSQL.noop,
        ),
    ]
