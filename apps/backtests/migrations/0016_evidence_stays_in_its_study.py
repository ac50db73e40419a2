"""A run that is evidence may go to another study, but not out of any: its study stays as well."""

from django.db import migrations

KEEP = """
CREATE OR REPLACE FUNCTION backtests_run_keep_evidence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holder uuid := public.backtests_lock_of('run:' || OLD.id);
    free text[] := ARRAY['tags', 'study_id', 'job_id', 'created_by_label', 'deflated_sharpe',
        'deflated_trials', 'deflated_at'];
BEGIN
    IF holder IS NULL THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND current_setting('quantsite.erasing', true) = 'on' THEN
        RETURN NULL;
    ELSIF TG_OP = 'UPDATE' AND (OLD.study_id IS NULL OR NEW.study_id IS NOT NULL)
        AND (to_jsonb(OLD) - free) = (to_jsonb(NEW) - free)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is forbidden: run % is evidence of proposal %', TG_OP,
        TG_TABLE_NAME, OLD.id, holder USING ERRCODE = '42501';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("backtests", "0015_shares")]
    operations = [migrations.RunSQL(KEEP, migrations.RunSQL.noop)]
