// What humans allowed beyond one call, and who may leave the sandbox for a while. Until now "allow-always" meant exactly this call in
// this session: such answers become "allow-session" and their grants.
export const grants = `
CREATE TABLE grants (
  id TEXT PRIMARY KEY,
  scope TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT,
  tool TEXT NOT NULL,
  match TEXT NOT NULL,
  exact TEXT,
  text TEXT NOT NULL,
  approval_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  last_used_at INTEGER,
  uses INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX grants_agent ON grants (agent_id) WHERE scope = 'agent';
CREATE INDEX grants_session ON grants (session_key, exact) WHERE scope = 'session';

UPDATE approvals SET decision='allow-session', data=json_set(data,'$.decision','allow-session') WHERE decision='allow-always';
INSERT INTO grants (id,scope,agent_id,session_key,tool,match,exact,text,approval_id,created_at,created_by)
  SELECT id,'session',json_extract(data,'$.agentId'),session_key,json_extract(data,'$.tool'),json_object('exact',fingerprint),fingerprint,
    json_extract(data,'$.summary'),id,coalesce(json_extract(data,'$.resolvedAt'),created_at),coalesce(json_extract(data,'$.resolvedBy'),'')
  FROM approvals WHERE decision='allow-session';
DROP INDEX approvals_grants;

CREATE TABLE elevations (
  session_key TEXT PRIMARY KEY,
  agent_id TEXT NOT NULL,
  level TEXT NOT NULL,
  granted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  granted_by TEXT NOT NULL
) WITHOUT ROWID;
`
