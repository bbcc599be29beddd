-- Version 7. Where each docroot was last, without credentials: a relay that starts finds packages again that lie in one
-- that is not configured any more.
ALTER TABLE docroots ADD COLUMN address TEXT;
