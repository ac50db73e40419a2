-- The only way in: the site may call this function and may not insert by itself.
SET ROLE audit_owner;

CREATE OR REPLACE FUNCTION audit.append(
    p_team bigint, p_actor text, p_role text, p_action text, p_subject text, p_body bytea,
    p_acted_at timestamptz
) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH event AS (
        INSERT INTO audit.audit_event (team_id, actor, role, action, subject, body, acted_at)
        VALUES (p_team, p_actor, p_role, p_action, p_subject, p_body, p_acted_at)
        RETURNING id
    )
    INSERT INTO audit.audit_queue (id) SELECT id FROM event RETURNING id
$$;

-- Nothing in the ledger is ever changed. ENABLE ALWAYS: also under session_replication_role.
CREATE OR REPLACE FUNCTION audit.deny() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'audit: % on %.% is forbidden; the ledger only grows',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'audit_event', 'audit_leaf', 'audit_tile', 'audit_checkpoint', 'audit_key'
    ] LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER deny_change BEFORE UPDATE OR DELETE ON audit.%I'
            ' FOR EACH ROW EXECUTE FUNCTION audit.deny()', name);
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER deny_truncate BEFORE TRUNCATE ON audit.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION audit.deny()', name);
        EXECUTE format('ALTER TABLE audit.%I ENABLE ALWAYS TRIGGER deny_change', name);
        EXECUTE format('ALTER TABLE audit.%I ENABLE ALWAYS TRIGGER deny_truncate', name);
    END LOOP;
END $$;

RESET ROLE;
