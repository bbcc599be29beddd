-- Version 6. Folders in docroots that no record knows of, and since when they are known to be there.
CREATE TABLE strays (
  docroot   TEXT NOT NULL,
  package   BLOB NOT NULL,                        -- the id that the folder is named by
  since     INTEGER NOT NULL,
  deleting  INTEGER NOT NULL DEFAULT 0,           -- 1: it is being deleted, and no package may take its place meanwhile
  PRIMARY KEY (docroot, package)
) STRICT, WITHOUT ROWID;
