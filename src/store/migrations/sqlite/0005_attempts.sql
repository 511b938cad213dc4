-- What happened at boot. An attempt is a power cycle and all that follows until the board rests or is given up; the device
-- layer writes it with the device's row. Steps come from outside (files, events, answers); the journal writes them. Neither
-- knows the other's rows: a reader joins them by device and time.

CREATE TABLE attempts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id   INTEGER NOT NULL,               -- no foreign keys, as with logs
    hardware_id INTEGER NOT NULL,               -- 0 for none; with purpose and image the kind of attempt
    purpose     TEXT NOT NULL,
    image       TEXT NOT NULL,                  -- '' for none
    request_id  INTEGER,                        -- may have gone since
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,                        -- NULL while it runs
    outcome     TEXT NOT NULL,
    state       TEXT NOT NULL,                  -- the last one
    trail       TEXT NOT NULL                   -- a line per state: when it was entered, a blank, its name
) STRICT;
CREATE INDEX attempts_by_device ON attempts (device_id, id);
-- The last good ones of a kind.
CREATE INDEX attempts_by_kind ON attempts (hardware_id, purpose, image, outcome, id);
CREATE INDEX attempts_by_age ON attempts (started_at);

CREATE TABLE attempt_steps (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL,
    at        INTEGER NOT NULL,                 -- when; of what takes time, its end
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    what      TEXT NOT NULL,
    bytes     INTEGER,
    took_ms   INTEGER,
    bad       INTEGER NOT NULL
) STRICT;
CREATE INDEX attempt_steps_by_device ON attempt_steps (device_id, at);
CREATE INDEX attempt_steps_by_age ON attempt_steps (at);

-- The device's last attempt, which may be under way.
ALTER TABLE devices ADD COLUMN attempt_id INTEGER;
