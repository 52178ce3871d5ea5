// Names that need not be unique, tags, and putting sessions away without deleting them.

export const sessionNames = `
ALTER TABLE sessions ADD COLUMN name TEXT;
ALTER TABLE sessions ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE sessions ADD COLUMN archived_at INTEGER;
`
