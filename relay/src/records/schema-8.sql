-- Version 8. A docroot that moves while it is empty gets a new id, so that no place where it was is taken for it later;
-- and a time that was right, by a clock that was believed.
ALTER TABLE docroots ADD COLUMN id_next BLOB;      -- what the place that it is about to move to is marked with
ALTER TABLE docroots ADD COLUMN id_before BLOB;    -- what the place before is marked with
CREATE TABLE clock (
  only  INTEGER PRIMARY KEY CHECK (only = 1),
  seen  INTEGER NOT NULL
) STRICT;
