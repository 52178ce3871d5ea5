// Transcripts that are older than the index of words (006): how far each has been read into it.
export const wordsBacklog = `
CREATE TABLE words_backlog (
  session_id TEXT PRIMARY KEY,
  done INTEGER NOT NULL DEFAULT 0,
  through INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO words_backlog (session_id, through) SELECT id, last_seq FROM sessions WHERE last_seq > 0;
`
