// Runs of workflows: the definition as it was when the run began, what happened in order, and the gates at which it waits. What its steps
// did lies in the journal (steps), owned by the run. `state`: values that outlive runs.
export const runs = `
CREATE TABLE runs (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  file TEXT,
  status TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  holder TEXT,
  cwd TEXT NOT NULL,
  started_by TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  args TEXT NOT NULL,
  settings TEXT NOT NULL,
  definition TEXT NOT NULL,
  output TEXT,
  error TEXT
);
CREATE INDEX runs_status ON runs (status, n);

CREATE TABLE run_events (
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE gates (
  id TEXT PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  run_id TEXT NOT NULL,
  path TEXT NOT NULL,
  status TEXT NOT NULL,
  request TEXT NOT NULL,
  answer TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  answered_at INTEGER,
  UNIQUE (run_id, path)
);
CREATE INDEX gates_waiting ON gates (created_at) WHERE status='waiting';

CREATE TABLE workflow_state (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
`
