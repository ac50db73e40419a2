-- Who may do what with the ledger. Starts from nothing, so that a right taken out here is gone.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app', 'sequencer'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;

SET ROLE audit_owner;

REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC, app, sequencer;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC, app, sequencer;
GRANT USAGE ON SCHEMA audit TO app, sequencer;

-- The site appends and reads.
GRANT EXECUTE ON FUNCTION audit.append(bigint, text, text, text, text, bytea, timestamptz) TO app;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO app;

-- The sequencer takes events off the queue and adds to the tree; it can't write events.
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO sequencer;
GRANT UPDATE, DELETE ON audit.audit_queue TO sequencer;
GRANT INSERT ON audit.audit_leaf, audit.audit_tile, audit.audit_checkpoint, audit.audit_key
    TO sequencer;

RESET ROLE;
