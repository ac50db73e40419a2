-- Whose events the site sees: the setting quantsite.scope says, as it does for every guarded table
-- (a team's number, lab for the lab itself, nothing for strangers). Leaves, tiles and heads are
-- hashes of all teams together and say nothing of what happened; every proof needs them.
SET ROLE audit_owner;

ALTER TABLE audit.audit_event ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS seen ON audit.audit_event;
CREATE POLICY seen ON audit.audit_event FOR SELECT TO app USING (
    (SELECT coalesce(current_setting('quantsite.scope', true), '') = 'lab')
    OR team_id = (
        SELECT nullif(nullif(current_setting('quantsite.scope', true), 'lab'), '')::bigint));
DROP POLICY IF EXISTS placed ON audit.audit_event;
CREATE POLICY placed ON audit.audit_event FOR SELECT TO sequencer USING (true);

RESET ROLE;
