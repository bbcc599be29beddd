-- Version 2. Names the docroot that these records are about: another one is refused.
CREATE TABLE docroot (
  id  BLOB PRIMARY KEY                            -- 16 random bytes, in the docroot's own file as well
) STRICT, WITHOUT ROWID;
