// Plans that agents declared, as they are now. One that was done and is followed by another in a later turn stays as it was.
// They go with the log that they were declared in.
export const plans = `
CREATE TABLE plans (
  id TEXT PRIMARY KEY,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  plan_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  data TEXT NOT NULL,
  done INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX plans_of_log ON plans (session_id, plan_id, created_at);
CREATE INDEX plans_by_time ON plans (updated_at);
CREATE TRIGGER plans_go_with_session AFTER DELETE ON sessions BEGIN
  DELETE FROM plans WHERE session_id=OLD.id;
END;
CREATE TRIGGER plans_go_with_log AFTER UPDATE OF id ON sessions BEGIN
  DELETE FROM plans WHERE session_id=OLD.id AND OLD.id<>NEW.id;
END;
`
