"""Decisions and versions of settings are never changed: the database refuses."""

from django.db import migrations

DENY = """
CREATE OR REPLACE FUNCTION approvals_deny_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on % is forbidden; its rows are evidence', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '42501';
END $$;
"""
TRIGGERS = """
CREATE TRIGGER deny_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION approvals_deny_change();
CREATE TRIGGER deny_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_deny_change();
"""
BACK = """
DROP TRIGGER deny_change ON {table};
DROP TRIGGER deny_truncate ON {table};
"""
TABLES = ("approvals_decision", "approvals_setting")
# What was proposed stays as it was; only the outcome is filled in, once.
FROZEN = """
CREATE OR REPLACE FUNCTION approvals_keep_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.status <> 'open'
        OR (to_jsonb(OLD) - 'status' - 'decided_at')
            IS DISTINCT FROM (to_jsonb(NEW) - 'status' - 'decided_at')
    THEN
        RAISE EXCEPTION 'proposal % is frozen; only its outcome may be filled in, once', OLD.id
            USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_proposal BEFORE UPDATE ON approvals_proposal
    FOR EACH ROW EXECUTE FUNCTION approvals_keep_proposal();
"""
UNFROZEN = """
DROP TRIGGER keep_proposal ON approvals_proposal;
DROP FUNCTION approvals_keep_proposal();
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]
    operations = [
        migrations.RunSQL(DENY, "DROP FUNCTION approvals_deny_change();"),
        *(
            migrations.RunSQL(TRIGGERS.format(table=table), BACK.format(table=table))
            for table in TABLES
        ),
        migrations.RunSQL(FROZEN, UNFROZEN),
    ]
