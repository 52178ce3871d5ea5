// The audit chain. What is looked for by column is computed from the text that is hashed, so that it cannot say anything else. Triggers
// refuse to change or remove a record, except what a signed mark says was pruned.

export const audit = `
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL,
  data TEXT NOT NULL,
  at INTEGER GENERATED ALWAYS AS (data->>'at') VIRTUAL,
  type TEXT GENERATED ALWAYS AS (data->>'type') VIRTUAL,
  tool TEXT GENERATED ALWAYS AS (data->>'tool') VIRTUAL,
  session_key TEXT GENERATED ALWAYS AS (data->>'sessionKey') VIRTUAL,
  agent_id TEXT GENERATED ALWAYS AS (data->>'agentId') VIRTUAL,
  who TEXT GENERATED ALWAYS AS (data->>'who') VIRTUAL
);
CREATE INDEX audit_calls ON audit (tool, at, session_key, who, agent_id, type);
CREATE INDEX audit_session ON audit (session_key, seq);
CREATE INDEX audit_type ON audit (type, seq);
CREATE INDEX audit_at ON audit (at, seq);

CREATE TABLE audit_checkpoints (
  through INTEGER PRIMARY KEY,
  hash TEXT NOT NULL,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  mac TEXT NOT NULL
);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit records cannot be changed'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN OLD.seq > coalesce((SELECT max(through) FROM audit_checkpoints), 0)
BEGIN SELECT RAISE(ABORT, 'audit records cannot be removed'); END;
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq) OR NEW.seq <= coalesce((SELECT max(through) FROM audit_checkpoints), 0)
BEGIN SELECT RAISE(ABORT, 'audit records cannot be replaced'); END;
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'audit marks cannot be changed'); END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'audit marks cannot be removed'); END;
`
