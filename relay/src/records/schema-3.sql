-- Version 3. Keyrings that have an object in the docroot but are not their package's current one (K2).
CREATE TABLE keyrings (
  package     BLOB NOT NULL REFERENCES packages (id),
  generation  INTEGER NOT NULL,
  sha256      BLOB NOT NULL,
  bytes       INTEGER NOT NULL,
  state       INTEGER NOT NULL,                   -- 0 staged, 1 replaced and kept for undo, 2 being deleted
  keep_until  INTEGER NOT NULL,                   -- cleaned up from then on
  PRIMARY KEY (package, generation, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX keyrings_by_time ON keyrings (keep_until);
