"""A stamp per series that changes with what is read through it: bars, actions, figures."""

import uuid

from django.db import migrations, models

# Actions are written in several places; the database itself sees every change of one.
CREATE = """
CREATE FUNCTION market_stamp_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE market_series SET stamp = gen_random_uuid()
    WHERE instrument_id IN (SELECT instrument_id FROM now_rows);
    RETURN NULL;
END $$;
CREATE FUNCTION market_stamp_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE market_series SET stamp = gen_random_uuid()
    WHERE instrument_id IN (
        SELECT n.instrument_id FROM now_rows n JOIN old_rows o USING (id)
        WHERE (n.kind, n."on", n.value, n.factor) <> (o.kind, o."on", o.value, o.factor)
    );
    RETURN NULL;
END $$;
CREATE FUNCTION market_stamp_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE market_series SET stamp = gen_random_uuid()
    WHERE instrument_id IN (SELECT instrument_id FROM old_rows);
    RETURN NULL;
END $$;
CREATE TRIGGER action_added AFTER INSERT ON market_action
    REFERENCING NEW TABLE AS now_rows
    FOR EACH STATEMENT EXECUTE FUNCTION market_stamp_added();
CREATE TRIGGER action_changed AFTER UPDATE ON market_action
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS now_rows
    FOR EACH STATEMENT EXECUTE FUNCTION market_stamp_changed();
CREATE TRIGGER action_removed AFTER DELETE ON market_action
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION market_stamp_removed();
"""
DROP = """
DROP TRIGGER action_added ON market_action;
DROP TRIGGER action_changed ON market_action;
DROP TRIGGER action_removed ON market_action;
DROP FUNCTION market_stamp_added();
DROP FUNCTION market_stamp_changed();
DROP FUNCTION market_stamp_removed();
"""


class Migration(migrations.Migration):
    dependencies = [("market", "0007_checks")]
    operations = [
        migrations.AddField(
            model_name="series",
            name="stamp",
            field=models.UUIDField(default=uuid.uuid4),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
