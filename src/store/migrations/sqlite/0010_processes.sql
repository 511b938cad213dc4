-- Which process a server is, so that two of one name find out, and one that is started again knows that the one before has ended.
ALTER TABLE server_heartbeats ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE server_heartbeats ADD COLUMN process INTEGER NOT NULL DEFAULT 0;
-- Tells the process from all others that this host, or another one, has ever had.
ALTER TABLE server_heartbeats ADD COLUMN life TEXT NOT NULL DEFAULT '';
-- For how long its count may stand still before it counts as gone.
ALTER TABLE server_heartbeats ADD COLUMN limit_ms INTEGER NOT NULL DEFAULT 10000;
