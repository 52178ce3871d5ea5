// What external agents say of their sessions: the title that they give, and what they offer (modes, options, commands), by log.
export const sessionFacts = `
ALTER TABLE sessions ADD COLUMN told_title TEXT;
CREATE TABLE session_facts (
  session_id TEXT PRIMARY KEY,
  data TEXT NOT NULL
) WITHOUT ROWID;
`
