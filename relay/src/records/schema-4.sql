-- Version 4. Whose package it is, where it is kept, and what the protection report says of it.
ALTER TABLE packages ADD COLUMN user TEXT;                        -- the configuration's user that its grant named
ALTER TABLE packages ADD COLUMN docroot TEXT NOT NULL DEFAULT 'default';
ALTER TABLE packages ADD COLUMN sealed_by TEXT;                   -- the client that created it, in its own words
ALTER TABLE packages ADD COLUMN transports INTEGER NOT NULL DEFAULT 0; -- a bit for each that a durable part came over
ALTER TABLE packages ADD COLUMN finished_at INTEGER;
CREATE INDEX packages_by_user ON packages (user) WHERE user IS NOT NULL;
