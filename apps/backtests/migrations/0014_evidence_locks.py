"""What a standing proposal names as evidence is neither changed nor removed: the database refuses.

A proposal writes its locks by a trigger, in the transaction that makes it. They hold while it is
open and for good once it is approved. The functions run as the owner of the tables, so that no
scope of row security hides a lock from them, and the triggers bind the owner as well.
"""

from django.db import migrations

# Kinds of evidence: table, kind, and the column that says of which.
KEPT = (
    ("backtests_run", "run", "id"),
    ("backtests_artifact", "run", "run_id"),
    ("backtests_equity", "run", "run_id"),
    ("backtests_gauntlet", "gauntlet", "id"),
    ("backtests_sweep", "sweep", "id"),
    ("backtests_trial", "sweep", "sweep_id"),
    ("backtests_validation", "validation", "id"),
    ("backtests_validationfold", "validation", "validation_id"),
)
# What may change though: marks of people, figures taken anew, names that are forgotten.
FREE = {
    "backtests_run": (
        "tags",
        "study_id",
        "job_id",
        "created_by_label",
        "deflated_sharpe",
        "deflated_trials",
        "deflated_at",
    ),
    "backtests_gauntlet": ("job_id", "created_by_label"),
    "backtests_sweep": ("created_by_label",),
    "backtests_validation": ("job_id", "created_by_label"),
}
LOCKS = """
CREATE FUNCTION backtests_lock_of(wanted text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT l.proposal_id FROM public.backtests_evidencelock l
    JOIN public.approvals_proposal p ON p.id = l.proposal_id
    WHERE l.subject = wanted AND p.status IN ('open', 'approved') LIMIT 1
$$;
CREATE FUNCTION backtests_lock_one(kind text, given text, proposal public.approvals_proposal)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_there boolean := false;
BEGIN
    IF given IS NULL OR given !~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' THEN
        RETURN;
    END IF;
    -- Locked against whoever changes or removes it at this moment: the one waits for the other.
    EXECUTE format('SELECT true FROM public.%I WHERE id = $1 AND team_id = $2 FOR SHARE',
        'backtests_' || kind) INTO is_there USING given::uuid, proposal.team_id;
    IF is_there THEN
        INSERT INTO public.backtests_evidencelock (team_id, subject, proposal_id, created_at)
        VALUES (proposal.team_id, kind || ':' || given, proposal.id, proposal.created_at)
        ON CONFLICT (subject, proposal_id) DO NOTHING;
    END IF;
END $$;
CREATE FUNCTION backtests_lock_evidence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.backtests_lock_one('run', NEW.evidence #>> '{facts,run}', NEW);
    PERFORM public.backtests_lock_one('sweep', NEW.evidence #>> '{study,sweep}', NEW);
    PERFORM public.backtests_lock_one('validation', named, NEW)
    FROM jsonb_path_query(NEW.evidence - 'stated', '$.**.validation') one, LATERAL (
        SELECT one #>> '{}' WHERE jsonb_typeof(one) = 'string'
    ) said (named);
    PERFORM public.backtests_lock_one('gauntlet', named, NEW)
    FROM jsonb_path_query(NEW.evidence - 'stated', '$.**.gauntlet') one, LATERAL (
        SELECT one #>> '{}' WHERE jsonb_typeof(one) = 'string'
    ) said (named);
    RETURN NULL;
END $$;
CREATE TRIGGER lock_evidence AFTER INSERT ON approvals_proposal
    FOR EACH ROW EXECUTE FUNCTION backtests_lock_evidence();

CREATE FUNCTION backtests_keep_lock() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (
        SELECT FROM public.approvals_proposal p
        WHERE p.id = OLD.proposal_id AND p.status IN ('open', 'approved'))
    THEN
        RETURN OLD;
    ELSIF TG_OP = 'DELETE' AND current_setting('quantsite.erasing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% of the lock on % is forbidden: proposal % stands', TG_OP, OLD.subject,
        OLD.proposal_id USING ERRCODE = '42501';
END $$;
CREATE TRIGGER keep_lock BEFORE UPDATE OR DELETE ON backtests_evidencelock
    FOR EACH ROW EXECUTE FUNCTION backtests_keep_lock();

CREATE FUNCTION backtests_keep_study() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holder uuid;
BEGIN
    SELECT public.backtests_lock_of('run:' || r.id) INTO holder FROM public.backtests_run r
    WHERE r.study_id = OLD.id AND public.backtests_lock_of('run:' || r.id) IS NOT NULL LIMIT 1;
    IF holder IS NULL THEN
        RETURN OLD;
    ELSIF current_setting('quantsite.erasing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'DELETE on % is forbidden: a run of study % is evidence of proposal %',
        TG_TABLE_NAME, OLD.name, holder USING ERRCODE = '42501';
END $$;
CREATE TRIGGER keep_evidence BEFORE DELETE ON backtests_study
    FOR EACH ROW EXECUTE FUNCTION backtests_keep_study();

CREATE FUNCTION backtests_keep_whole() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.backtests_evidencelock l
        JOIN public.approvals_proposal p ON p.id = l.proposal_id
        WHERE p.status IN ('open', 'approved'))
    THEN
        RAISE EXCEPTION 'TRUNCATE on % is forbidden: it holds evidence of proposals',
            TG_TABLE_NAME USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END $$;
"""
UNLOCK = """
DROP TRIGGER lock_evidence ON approvals_proposal;
DROP TRIGGER keep_lock ON backtests_evidencelock;
DROP TRIGGER keep_evidence ON backtests_study;
DROP FUNCTION backtests_keep_whole();
DROP FUNCTION backtests_keep_study();
DROP FUNCTION backtests_keep_lock();
DROP FUNCTION backtests_lock_evidence();
DROP FUNCTION backtests_lock_one(text, text, approvals_proposal);
DROP FUNCTION backtests_lock_of(text);
"""
KEEP = """
CREATE FUNCTION {table}_keep_evidence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holder uuid := public.backtests_lock_of('{kind}:' || OLD.{column});
BEGIN
    IF holder IS NULL THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND current_setting('quantsite.erasing', true) = 'on' THEN
        RETURN NULL;
    ELSIF TG_OP = 'UPDATE' AND (to_jsonb(OLD) - ARRAY[{free}]::text[])
        = (to_jsonb(NEW) - ARRAY[{free}]::text[])
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is forbidden: {kind} % is evidence of proposal %', TG_OP,
        TG_TABLE_NAME, OLD.{column}, holder USING ERRCODE = '42501';
END $$;
CREATE TRIGGER keep_evidence BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_keep_evidence();
"""
WHOLE = """
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION backtests_keep_whole();
"""
LOOSE = """
DROP TRIGGER keep_evidence ON {table};
DROP FUNCTION {table}_keep_evidence();
"""
# Proposals that were made before there were locks.
BEFORE = """
DO $$
DECLARE
    made public.approvals_proposal;
BEGIN
    FOR made IN SELECT * FROM approvals_proposal LOOP
        PERFORM backtests_lock_one('run', made.evidence #>> '{facts,run}', made);
        PERFORM backtests_lock_one('sweep', made.evidence #>> '{study,sweep}', made);
    END LOOP;
END $$;
"""


def keep(table, kind, column):
    """The operation that binds a table."""
    free = ", ".join(f"'{name}'" for name in FREE.get(table, ()))
    bound = KEEP.format(table=table, kind=kind, column=column, free=free)
    return migrations.RunSQL(bound, LOOSE.format(table=table))


class Migration(migrations.Migration):
    dependencies = [("approvals", "0004_signatures"), ("backtests", "0013_marks")]
    operations = [
        migrations.RunSQL(LOCKS, UNLOCK),
        *(keep(*one) for one in KEPT),
        *(
            migrations.RunSQL(WHOLE.format(table=table), f"DROP TRIGGER keep_whole ON {table}")
            for table in (*(one[0] for one in KEPT), "backtests_study", "backtests_evidencelock")
        ),
        migrations.RunSQL(BEFORE, migrations.RunSQL.noop),
    ]
