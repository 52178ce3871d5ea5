// Groups that people sort their sessions into (which one a session is in stands in its settings), in which order their sections are shown,
// and the notes that are kept with a schedule.
export const sessionGroups = `
CREATE TABLE session_groups (
  name TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  cwd TEXT
) WITHOUT ROWID;
CREATE TABLE session_sections (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);
CREATE INDEX sessions_category ON sessions (settings->>'category') WHERE settings->>'category' IS NOT NULL;

CREATE TABLE schedule_scratch (
  schedule_id TEXT PRIMARY KEY,
  content TEXT,
  revision INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
`
