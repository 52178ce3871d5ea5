// Devices: what was approved for each role, what became of each token, requests bounded per network, and codes by which a device comes in.
// A device that was revoked is one that was removed: its row goes.
export const devices = `
ALTER TABLE devices ADD COLUMN label TEXT;
ALTER TABLE devices ADD COLUMN device_family TEXT;
ALTER TABLE devices ADD COLUMN client_mode TEXT;
ALTER TABLE devices ADD COLUMN remote_ip TEXT;
ALTER TABLE devices ADD COLUMN approved_at INTEGER;
ALTER TABLE devices ADD COLUMN approved_via TEXT;
CREATE TABLE device_roles (
  device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  PRIMARY KEY (device_id, role)
) WITHOUT ROWID;
DELETE FROM devices WHERE revoked_at IS NOT NULL;
INSERT INTO device_roles (device_id,role,scopes) SELECT device_id,role,scopes FROM devices;
UPDATE devices SET approved_at=created_at;
ALTER TABLE devices DROP COLUMN role;
ALTER TABLE devices DROP COLUMN scopes;
ALTER TABLE devices DROP COLUMN revoked_at;
ALTER TABLE device_tokens ADD COLUMN rotated_at INTEGER;
ALTER TABLE device_tokens ADD COLUMN revoked_at INTEGER;
ALTER TABLE device_tokens ADD COLUMN last_used_at INTEGER;
DROP TABLE device_requests;
CREATE TABLE device_requests (
  id TEXT PRIMARY KEY,
  device_id TEXT NOT NULL,
  role TEXT NOT NULL,
  network TEXT NOT NULL,
  data TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (device_id, role)
) WITHOUT ROWID;
CREATE TABLE device_codes (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  name TEXT,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  nonce TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  misses INTEGER NOT NULL DEFAULT 0,
  device_id TEXT,
  used_at INTEGER,
  delivered_at INTEGER
) WITHOUT ROWID;
`
