// Sessions, their event log, turns, the journal, and who may connect. Times are ms since 1970; JSON columns hold plain objects.

export const spine = `
CREATE TABLE sessions (
  key TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  agent_id TEXT NOT NULL,
  label TEXT UNIQUE,
  cwd TEXT,
  model TEXT,
  settings TEXT NOT NULL DEFAULT '{}',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_tokens INTEGER NOT NULL DEFAULT 0,
  reasoning_tokens INTEGER NOT NULL DEFAULT 0,
  cost_usd REAL,
  last_seq INTEGER NOT NULL DEFAULT 0,
  message_count INTEGER NOT NULL DEFAULT 0,
  title TEXT,
  aborted_last INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX sessions_updated ON sessions (updated_at);

-- Transcripts that a reset put away; their events stay until the session is deleted.
CREATE TABLE archives (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  archived_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX archives_key ON archives (key);

CREATE TABLE events (
  session_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  turn_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)
) WITHOUT ROWID;

CREATE TABLE turns (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  status TEXT NOT NULL,
  request TEXT NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  accepted_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  outcome TEXT
);
CREATE INDEX turns_session ON turns (session_key, n);
CREATE INDEX turns_open ON turns (n) WHERE ended_at IS NULL;

-- The journal: what an owner (a turn) intended and what came of it.
CREATE TABLE steps (
  owner TEXT NOT NULL,
  key TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  effect TEXT NOT NULL,
  state TEXT NOT NULL,
  value TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) WITHOUT ROWID;

-- An answer that is still being written, in pieces; gone once the whole message is in the log.
CREATE TABLE drafts (
  turn_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (turn_id, n)
) WITHOUT ROWID;

-- Small state that tools keep between turns (the todo list).
CREATE TABLE notes (
  session_key TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (session_key, name)
) WITHOUT ROWID;

CREATE TABLE approvals (
  id TEXT PRIMARY KEY,
  turn_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  step_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  data TEXT NOT NULL,
  decision TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX approvals_step ON approvals (turn_id, step_key);
CREATE INDEX approvals_pending ON approvals (created_at) WHERE decision IS NULL;
CREATE INDEX approvals_grants ON approvals (session_key, fingerprint) WHERE decision = 'allow-always';

CREATE TABLE devices (
  device_id TEXT PRIMARY KEY,
  public_key TEXT NOT NULL,
  display_name TEXT,
  platform TEXT,
  client_id TEXT,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER,
  revoked_at INTEGER
) WITHOUT ROWID;
CREATE TABLE device_tokens (
  hash TEXT PRIMARY KEY,
  device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (device_id, role)
) WITHOUT ROWID;
CREATE TABLE device_requests (
  id TEXT PRIMARY KEY,
  device_id TEXT NOT NULL,
  role TEXT NOT NULL,
  data TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (device_id, role)
) WITHOUT ROWID;

CREATE TABLE usage_days (
  date TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  turns INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_usd REAL,
  PRIMARY KEY (date, provider, model)
) WITHOUT ROWID;

CREATE TABLE responses (
  id TEXT PRIMARY KEY,
  session_key TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX responses_session ON responses (session_key);
`
