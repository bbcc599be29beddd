-- Version 1. Times are seconds since 1970; ids and hashes are raw bytes.
CREATE TABLE packages (
  id                  BLOB PRIMARY KEY,           -- 16 random bytes, drawn by the sender
  state               INTEGER NOT NULL,           -- 0 reserved, 1 open, 2 finished, 3 being deleted
  epoch               INTEGER NOT NULL,           -- only grows (L5)
  client_id           BLOB NOT NULL,
  owner_sha256        BLOB NOT NULL,              -- all that is kept of the owner token (L4)
  grant_id            BLOB,                       -- which grant it was created under
  grant_bytes_max     INTEGER,
  created_at          INTEGER NOT NULL,
  expires_at          INTEGER NOT NULL,           -- unfinished ones expire too
  lifetime_s          INTEGER,                    -- counted from the finish
  keyring_generation  INTEGER,
  keyring_sha256      BLOB,
  keyring_bytes       INTEGER,
  draft_sha256        BLOB,
  manifest            BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX packages_by_expiry ON packages (expires_at);
CREATE INDEX packages_by_grant ON packages (grant_id);

CREATE TABLE files (
  package      BLOB NOT NULL REFERENCES packages (id),
  id           BLOB NOT NULL,
  number       INTEGER NOT NULL,                  -- order in which they were added
  role         INTEGER NOT NULL,                  -- 0 content, 1 manifest
  head_sha256  BLOB NOT NULL,
  head_bytes   INTEGER NOT NULL,
  body_bytes   INTEGER NOT NULL,
  part_bytes   INTEGER NOT NULL,                  -- the plan, made once
  state        INTEGER NOT NULL,                  -- 0 receiving, 1 committing (S5), 2 committed
  seal         BLOB,                              -- the body's last 48 bytes, once its last part is durable
  PRIMARY KEY (package, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_state ON files (state) WHERE state = 1;

-- The latest attempt of each part (S1). Deleted after the file's commit (S7).
CREATE TABLE parts (
  package  BLOB NOT NULL,
  file     BLOB NOT NULL,
  part     INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  durable  INTEGER NOT NULL,
  pairs    BLOB,                                  -- 28 bytes for each segment
  PRIMARY KEY (package, file, part),
  FOREIGN KEY (package, file) REFERENCES files (package, id)
) STRICT, WITHOUT ROWID;
