"""The database counts trials by itself, and never fewer of them."""

from django.db import migrations

from apps.core.row_security import guard

COUNT = """
CREATE OR REPLACE FUNCTION backtests_count_run() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.backtests_trialentry (team_id, family_id, door, subject, trials, created_at)
    SELECT NEW.team_id, public.backtests_family_of(NEW.team_id::int, v.strategy_id), 'run',
        'run:' || NEW.id, 1, NEW.created_at
    FROM public.strategies_strategyversion v WHERE v.id = NEW.version_id;
    RETURN NULL;
END $$;
CREATE TRIGGER count_trial AFTER INSERT ON backtests_run
    FOR EACH ROW EXECUTE FUNCTION backtests_count_run();
CREATE OR REPLACE FUNCTION backtests_count_combinations() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.backtests_trialentry (team_id, family_id, door, subject, trials, created_at)
    SELECT s.team_id, s.family, 'sweep', 'sweep:' || made.sweep_id || '/' || made.number, 1, now()
    FROM made JOIN (
        SELECT w.id, w.team_id, public.backtests_family_of(w.team_id::int, v.strategy_id) AS family
        FROM public.backtests_sweep w
        JOIN public.strategies_strategyversion v ON v.id = w.version_id
        WHERE w.id IN (SELECT sweep_id FROM made)
        OFFSET 0
    ) s ON s.id = made.sweep_id;
    RETURN NULL;
END $$;
CREATE TRIGGER count_trials AFTER INSERT ON backtests_trial
    REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION backtests_count_combinations();
"""
UNCOUNT = """
DROP TRIGGER count_trial ON backtests_run;
DROP TRIGGER count_trials ON backtests_trial;
DROP FUNCTION backtests_count_run();
DROP FUNCTION backtests_count_combinations();
"""
DENY = """
CREATE OR REPLACE FUNCTION backtests_deny_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on % is forbidden; trials and looks stay counted', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '42501';
END $$;
CREATE OR REPLACE FUNCTION backtests_only_join() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.root_id IS NULL OR NEW.root_id = NEW.id
        OR (to_jsonb(OLD) - 'root_id') IS DISTINCT FROM (to_jsonb(NEW) - 'root_id')
    THEN
        RAISE EXCEPTION 'family % may only be joined to another', OLD.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION backtests_keep_holdout() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (to_jsonb(OLD) - 'created_by_label') IS DISTINCT FROM (to_jsonb(NEW) - 'created_by_label')
    THEN
        RAISE EXCEPTION 'holdout % stays as it was marked', OLD.id USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_join BEFORE UPDATE ON backtests_family
    FOR EACH ROW EXECUTE FUNCTION backtests_only_join();
CREATE TRIGGER keep_holdout BEFORE UPDATE ON backtests_holdout
    FOR EACH ROW EXECUTE FUNCTION backtests_keep_holdout();
"""
TRIGGERS = """
CREATE TRIGGER deny_change BEFORE {what} ON {table}
    FOR EACH ROW EXECUTE FUNCTION backtests_deny_change();
CREATE TRIGGER deny_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION backtests_deny_change();
"""
BACK = "DROP TRIGGER deny_change ON {table}; DROP TRIGGER deny_truncate ON {table};"
ALLOW = """
DROP TRIGGER only_join ON backtests_family;
DROP TRIGGER keep_holdout ON backtests_holdout;
DROP FUNCTION backtests_only_join();
DROP FUNCTION backtests_keep_holdout();
DROP FUNCTION backtests_deny_change();
"""
KEPT = ("backtests_trialentry", "backtests_trialstream", "backtests_holdoutlook")
LATER = ("backtests_family", "backtests_holdout")


class Migration(migrations.Migration):
    dependencies = [
        ("backtests", "0008_trials_until_now"),
        ("core", "0003_row_security"),
    ]
    operations = [
        migrations.RunSQL(COUNT, UNCOUNT),
        migrations.RunSQL(DENY, ALLOW),
        *(
            migrations.RunSQL(TRIGGERS.format(table=table, what=what), BACK.format(table=table))
            for tables, what in ((KEPT, "UPDATE OR DELETE"), (LATER, "DELETE"))
            for table in tables
        ),
        *guard(*KEPT, *LATER),
    ]
