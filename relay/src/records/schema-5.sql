-- Version 5. Several docroots, and what S3 needs to go on with an upload and showed of its encryption.
CREATE TABLE docroots (
  name  TEXT PRIMARY KEY,                         -- as in the configuration
  id    BLOB NOT NULL                             -- 16 random bytes, in the docroot itself as well: another is refused
) STRICT, WITHOUT ROWID;
INSERT INTO docroots SELECT 'default', id FROM docroot;
DROP TABLE docroot;
ALTER TABLE files ADD COLUMN storage TEXT;        -- S3: how its bytes get there, with the upload's id; made once
ALTER TABLE files ADD COLUMN sse TEXT;            -- JSON: server-side encryption as the storage showed it
ALTER TABLE files ADD COLUMN verified_at INTEGER; -- when it was looked at; NULL in a folder, or not verifiable yet
ALTER TABLE parts ADD COLUMN receipt TEXT;        -- S3: ETag and checksum of the durable attempt
CREATE INDEX files_unverified ON files (package) WHERE storage IS NOT NULL AND verified_at IS NULL;
