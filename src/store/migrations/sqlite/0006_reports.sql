-- What reports are made of, in small rows that outlive logs, requests and devices: names, and no references.

-- What a device was when something was noted of it. Spells refer to it by number, for there are many of them.
CREATE TABLE spell_subjects (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    device      TEXT NOT NULL,
    server      TEXT NOT NULL,
    environment TEXT NOT NULL,
    hardware    TEXT NOT NULL,                  -- type and model with a blank between; empty when not known
    image       TEXT NOT NULL                   -- on it, or being put there; empty when not known
) STRICT;
CREATE INDEX spell_subjects_by_device ON spell_subjects (device);

-- How long a device was in one group of states (`grp`: free, used, working, failed, out) without a break. A failure that it went
-- on from at once, to heal itself, is a spell without length.
CREATE TABLE device_spells (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    subject_id INTEGER NOT NULL,
    grp        TEXT NOT NULL,
    state      TEXT NOT NULL,                   -- the first one
    request_id INTEGER,                         -- that held the device at the beginning; may have gone since
    since      INTEGER NOT NULL,
    until      INTEGER NOT NULL,                -- 2^63-1 while it lasts
    cause      TEXT,                            -- of a failure: what kind, in words that are the same each time,
    detail     TEXT                             -- and what goes on the sentence
) STRICT;
-- Holds all that adding spells up needs.
CREATE INDEX device_spells_by_end ON device_spells (until, since, subject_id, grp);
CREATE INDEX device_spells_by_subject ON device_spells (subject_id, since);
CREATE INDEX device_spells_failed ON device_spells (since) WHERE grp = 'failed';

-- The spell that a device is in.
ALTER TABLE devices ADD COLUMN spell_id INTEGER;

-- What became of a request: written when its board is ready, or when it ends without one.
CREATE TABLE request_outcomes (
    request_id  INTEGER NOT NULL PRIMARY KEY,
    server      TEXT NOT NULL,
    assignee    TEXT NOT NULL,
    image       TEXT NOT NULL,
    environment TEXT NOT NULL,                  -- of its board; without one as asked for, empty for any
    hardware    TEXT NOT NULL,                  -- the same
    device      TEXT NOT NULL,                  -- its board; empty without one
    asked       INTEGER NOT NULL,
    ready       INTEGER,                        -- when its board was
    ended       INTEGER NOT NULL,               -- 2^63-1 while it lasts
    how         TEXT NOT NULL                   -- it ended: returned, expired, taken, deleted, or failed_…; empty while it lasts
) STRICT;
CREATE INDEX request_outcomes_by_end ON request_outcomes (ended);
