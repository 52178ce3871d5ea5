// Devices: what was approved for each role, what became of each token, requests bounded per network, and codes by which a device comes in.
// A device that was revoked is one that was removed: its row goes. The tables are laid out anew: taking a column away costs a
// new home more than all the rest of its schema.
export const devices = `
CREATE TABLE devices_before AS SELECT * FROM devices WHERE revoked_at IS NULL;
CREATE TABLE device_tokens_before AS
  SELECT * FROM device_tokens WHERE device_id IN (SELECT device_id FROM devices_before);
DROP TABLE device_tokens;
DROP TABLE devices;
CREATE TABLE devices (
  device_id TEXT PRIMARY KEY,
  public_key TEXT NOT NULL,
  display_name TEXT,
  platform TEXT,
  client_id TEXT,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER,
  label TEXT,
  device_family TEXT,
  client_mode TEXT,
  remote_ip TEXT,
  approved_at INTEGER,
  approved_via TEXT
) WITHOUT ROWID;
CREATE TABLE device_tokens (
  hash TEXT PRIMARY KEY,
  device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  rotated_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER,
  UNIQUE (device_id, role)
) WITHOUT ROWID;
CREATE TABLE device_roles (
  device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  PRIMARY KEY (device_id, role)
) WITHOUT ROWID;
INSERT INTO devices (device_id,public_key,display_name,platform,client_id,created_at,last_seen_at,approved_at)
  SELECT device_id,public_key,display_name,platform,client_id,created_at,last_seen_at,created_at FROM devices_before;
INSERT INTO device_roles (device_id,role,scopes) SELECT device_id,role,scopes FROM devices_before;
INSERT INTO device_tokens (hash,device_id,role,scopes,created_at)
  SELECT hash,device_id,role,scopes,created_at FROM device_tokens_before;
DROP TABLE device_tokens_before;
DROP TABLE devices_before;
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
