-- The ledger's schema. Run by a superuser at every preparation of the database; safe to repeat.
-- audit_owner can't log in and is nobody's group, so neither the site nor migrations may alter this.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'audit_owner') THEN
        CREATE ROLE audit_owner NOLOGIN;
    END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION audit_owner;
SET ROLE audit_owner;

-- What happened: written in the same transaction as the act.
CREATE TABLE IF NOT EXISTS audit.audit_event (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acted_at timestamptz NOT NULL,
    db_user name NOT NULL DEFAULT session_user,
    team_id bigint,
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 80),
    role text NOT NULL CHECK (length(role) <= 40),
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    body bytea NOT NULL CHECK (length(body) <= 65536)
);
CREATE INDEX IF NOT EXISTS audit_event_team ON audit.audit_event (team_id, at DESC, id DESC);
CREATE INDEX IF NOT EXISTS audit_event_subject
    ON audit.audit_event (team_id, subject, at DESC, id DESC);

-- Events that wait for their place. No order and no lock, so writers never wait for one another.
CREATE TABLE IF NOT EXISTS audit.audit_queue (
    id uuid PRIMARY KEY
);

-- The tree: one leaf per event, in the sequencer's order.
CREATE TABLE IF NOT EXISTS audit.audit_leaf (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    event_id uuid NOT NULL UNIQUE,
    leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32)
);

-- No foreign keys to the events (decision 0096): the one function that queues has just written the
-- event, the sequencer has just read it, and nothing deletes events. The keys would lock and rewrite
-- each event twice more. That every leaf has its event is what verify_audit looks at.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS of, conname AS name FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN (
            'audit.audit_queue'::regclass, 'audit.audit_leaf'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.of, found.name);
    END LOOP;
END $$;

-- 256 neighbouring hashes of tree level 8 * level, and the hash above them, for short proofs.
CREATE TABLE IF NOT EXISTS audit.audit_tile (
    level smallint NOT NULL CHECK (level >= 0),
    idx bigint NOT NULL CHECK (idx >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    root bytea NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (level, idx)
);

-- Signed tree heads (C2SP tlog-checkpoint).
CREATE TABLE IF NOT EXISTS audit.audit_checkpoint (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text NOT NULL
);

-- The keys that sign heads, one after another: heads above the first column are signed by this one.
CREATE TABLE IF NOT EXISTS audit.audit_key (
    after bigint PRIMARY KEY CHECK (after >= 0),
    line text NOT NULL CHECK (length(line) BETWEEN 1 AND 400),
    note text NOT NULL CHECK (length(note) <= 4000),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

RESET ROLE;
