-- What boards say, in pieces of many lines: a flood costs as many rows as there are devices, not lines, and a search reads
-- text that lies together. `text` has a line per line: milliseconds after `first_at`, a blank, the message.

CREATE TABLE device_log_chunks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id  INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    line_count INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,                -- of `text`
    text       TEXT NOT NULL
) STRICT;
-- Holds all that counting the bytes of a device needs.
CREATE INDEX device_log_chunks_by_device ON device_log_chunks (device_id, id, last_at, bytes, line_count);
CREATE INDEX device_log_chunks_by_age ON device_log_chunks (last_at);

-- Who sends lines although no device is known for the address; some of the lines are in `stray_logs`.
CREATE TABLE stray_senders (
    sender     TEXT NOT NULL PRIMARY KEY,
    hostname   TEXT NOT NULL,                   -- the last name that it gave itself, or empty
    line_count INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX stray_senders_by_age ON stray_senders (last_at);
CREATE INDEX stray_logs_by_sender ON stray_logs (sender, id);
