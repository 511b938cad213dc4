-- What boards say, in pieces of many lines: a flood costs as many rows as there are devices, not lines, and a search reads
-- text that lies together. `text` has a line per line: milliseconds after `first_at`, a blank, the message.

CREATE TABLE device_log_chunks (
    id         BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    device_id  BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    line_count BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,                 -- of `text`
    text       MEDIUMTEXT NOT NULL,
    -- Holds all that counting the bytes of a device needs.
    KEY device_log_chunks_by_device (device_id, id, last_at, bytes, line_count),
    KEY device_log_chunks_by_age (last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Who sends lines although no device is known for the address; some of the lines are in `stray_logs`.
CREATE TABLE stray_senders (
    sender     VARCHAR(255) NOT NULL PRIMARY KEY,
    hostname   MEDIUMTEXT NOT NULL,             -- the last name that it gave itself, or empty
    line_count BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    KEY stray_senders_by_age (last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE INDEX stray_logs_by_sender ON stray_logs (sender, id);
