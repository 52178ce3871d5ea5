// Jobs and what happened to them beside their turns. `rank` is the order of work among those that have not ended; the prompt comes
// last, so that reading the rest of a row never touches a long one.
export const jobs = `
CREATE TABLE jobs (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  rank INTEGER NOT NULL,
  status TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  priority INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  round_from INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER,
  idempotency_key TEXT UNIQUE,
  fingerprint TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  callback_state TEXT NOT NULL DEFAULT 'none',
  callback_tries INTEGER NOT NULL DEFAULT 0,
  callback_at INTEGER,
  error TEXT,
  request TEXT NOT NULL,
  prompt TEXT NOT NULL
);
CREATE INDEX jobs_open ON jobs (rank) WHERE finished_at IS NULL;
CREATE INDEX jobs_status ON jobs (status, n);
CREATE INDEX jobs_agent ON jobs (agent_id, n);
CREATE INDEX jobs_session ON jobs (session_key, n);
CREATE INDEX jobs_callback ON jobs (callback_at) WHERE callback_at IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE job_facts (
  job_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (job_id, n)
) WITHOUT ROWID;
`
