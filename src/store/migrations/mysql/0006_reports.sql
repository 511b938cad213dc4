-- What reports are made of, in small rows that outlive logs, requests and devices: names, and no references.

-- What a device was when something was noted of it. Spells refer to it by number, for there are many of them.
CREATE TABLE spell_subjects (
    id          BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    device      VARCHAR(64) NOT NULL,
    server      MEDIUMTEXT NOT NULL,
    environment MEDIUMTEXT NOT NULL,
    hardware    MEDIUMTEXT NOT NULL,            -- type and model with a blank between; empty when not known
    image       MEDIUMTEXT NOT NULL,            -- on it, or being put there; empty when not known
    KEY spell_subjects_by_device (device)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- How long a device was in one group of states (`grp`: free, used, working, failed, out) without a break. A failure that it went
-- on from at once, to heal itself, is a spell without length.
CREATE TABLE device_spells (
    id         BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    subject_id BIGINT NOT NULL,
    grp        VARCHAR(16) NOT NULL,
    state      VARCHAR(64) NOT NULL,            -- the first one
    request_id BIGINT,                          -- that held the device at the beginning; may have gone since
    since      BIGINT NOT NULL,
    until      BIGINT NOT NULL,                 -- 2^63-1 while it lasts
    cause      MEDIUMTEXT,                      -- of a failure: what kind, in words that are the same each time,
    detail     MEDIUMTEXT,                      -- and what goes on the sentence
    -- Holds all that adding spells up needs.
    KEY device_spells_by_end (until, since, subject_id, grp),
    KEY device_spells_by_subject (subject_id, since),
    KEY device_spells_failed (grp, since)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- The spell that a device is in.
ALTER TABLE devices ADD COLUMN spell_id BIGINT;

-- What became of a request: written when its board is ready, or when it ends without one.
CREATE TABLE request_outcomes (
    request_id  BIGINT NOT NULL PRIMARY KEY,
    server      MEDIUMTEXT NOT NULL,
    assignee    MEDIUMTEXT NOT NULL,
    image       MEDIUMTEXT NOT NULL,
    environment MEDIUMTEXT NOT NULL,            -- of its board; without one as asked for, empty for any
    hardware    MEDIUMTEXT NOT NULL,            -- the same
    device      MEDIUMTEXT NOT NULL,            -- its board; empty without one
    asked       BIGINT NOT NULL,
    ready       BIGINT,                         -- when its board was
    ended       BIGINT NOT NULL,                -- 2^63-1 while it lasts
    how         VARCHAR(64) NOT NULL,           -- it ended: returned, expired, taken, deleted, or failed_…; empty while it lasts
    KEY request_outcomes_by_end (ended)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
