"""The database itself refuses to change what a version is; only its stage and tier move."""

from django.db import migrations

CREATE = """
CREATE FUNCTION strategies_version_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Stage and tier move; the label is a person's address, which erasure may blank.
    IF (to_jsonb(NEW) - '{stage,tier,created_by_label}'::text[])
        IS DISTINCT FROM (to_jsonb(OLD) - '{stage,tier,created_by_label}'::text[]) THEN
        RAISE EXCEPTION 'strategy version % never changes; make a new version', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER strategies_version_is_fixed BEFORE UPDATE ON strategies_strategyversion
    FOR EACH ROW EXECUTE FUNCTION strategies_version_is_fixed();
"""
DROP = """
DROP TRIGGER strategies_version_is_fixed ON strategies_strategyversion;
DROP FUNCTION strategies_version_is_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("strategies", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
