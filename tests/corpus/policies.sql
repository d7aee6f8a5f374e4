-- Row security and policies for every command, roles, and forced.
DO $$ BEGIN
  IF to_regrole('corpus_tenant') IS NULL THEN CREATE ROLE corpus_tenant; END IF;
  IF to_regrole('"Corpus Auditor"') IS NULL THEN CREATE ROLE "Corpus Auditor"; END IF;
END $$;
CREATE TABLE t (id int, tenant name, secret boolean);
INSERT INTO t VALUES (1, 'corpus_tenant', false), (2, 'other', true);
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t TO corpus_tenant, "Corpus Auditor" USING (tenant = current_user) WITH CHECK (NOT secret);
CREATE POLICY restrictive ON t AS RESTRICTIVE FOR SELECT USING (id > 0);
CREATE POLICY "ins" ON t FOR INSERT WITH CHECK (id < 10);
CREATE POLICY upd ON t FOR UPDATE USING (true);
CREATE POLICY del ON t FOR DELETE TO PUBLIC USING (false);
COMMENT ON POLICY own ON t IS 'a policy';
CREATE TABLE forced (id int);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE defined_only (id int);
CREATE POLICY later ON defined_only USING (id IN (SELECT id FROM t));
