// Schedules, and the ledger of their ticks. A tick is there once: (schedule, time) is unique among those that came by the clock.
// `work` is what the tick has to do, as its schedule was when it came due; it is dropped when the tick has ended and nothing of it waits to be told.
export const schedules = `
CREATE TABLE schedules (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  next_at INTEGER,
  over TEXT,
  stats TEXT NOT NULL,
  spec TEXT NOT NULL
);
CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE schedule_ticks (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  schedule_id TEXT NOT NULL,
  name TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  trigger TEXT NOT NULL,
  scheduled_for INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  attempt INTEGER NOT NULL DEFAULT 0,
  recorded_at INTEGER NOT NULL,
  started_at INTEGER,
  attempt_at INTEGER,
  ended_at INTEGER,
  ref TEXT NOT NULL,
  summary TEXT,
  error TEXT,
  delivery TEXT,
  work TEXT
);
CREATE UNIQUE INDEX schedule_ticks_once ON schedule_ticks (schedule_id, scheduled_for) WHERE trigger='tick';
CREATE INDEX schedule_ticks_schedule ON schedule_ticks (schedule_id, n);
CREATE INDEX schedule_ticks_open ON schedule_ticks (n) WHERE state IN ('due','running');
CREATE INDEX schedule_ticks_untold ON schedule_ticks (n) WHERE delivery='pending';
CREATE INDEX schedule_ticks_recorded ON schedule_ticks (recorded_at);
`
