// What was said, to be found by: an index of the parts of words (three characters each, so that it needs to know no language), without
// the text itself, and which message each of its rows stands for. `words_terms` shows the index's own parts.
export const words = `
CREATE VIRTUAL TABLE words USING fts5(text, tokenize='trigram', content='', contentless_delete=1);
CREATE VIRTUAL TABLE words_terms USING fts5vocab(words, 'row');
CREATE TABLE word_rows (
  n INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL,
  message_id TEXT NOT NULL
);
CREATE INDEX word_rows_session ON word_rows (session_id, message_id);
`
