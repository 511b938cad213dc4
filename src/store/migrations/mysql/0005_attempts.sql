-- What happened at boot. An attempt is a power cycle and all that follows until the board rests or is given up; the device
-- layer writes it with the device's row, and while it runs its states in that row. Steps come from outside (files, events,
-- answers); the journal writes them. Neither knows the other's rows: a reader joins them by device and time.

CREATE TABLE attempts (
    id          BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    device_id   BIGINT NOT NULL,                -- no foreign keys, as with logs
    hardware_id BIGINT NOT NULL,                -- 0 for none; with purpose and image the kind of attempt
    purpose     VARCHAR(64) NOT NULL,
    image       VARCHAR(64) NOT NULL,           -- '' for none
    request_id  BIGINT,                         -- may have gone since
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,                         -- NULL while it runs
    outcome     VARCHAR(64) NOT NULL,
    state       VARCHAR(64) NOT NULL,           -- the last one, when it has ended
    trail       MEDIUMTEXT NOT NULL,            -- a line per state: when it was entered, a blank, its name; '' while it runs
    KEY attempts_by_device (device_id, id),
    -- The last ones of a kind. Without the outcome, so that an end moves nothing in it.
    KEY attempts_by_kind (hardware_id, purpose, image, id),
    KEY attempts_by_age (started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE attempt_steps (
    id        BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    device_id BIGINT NOT NULL,
    at        BIGINT NOT NULL,                  -- when; of what takes time, its end
    kind      VARCHAR(64) NOT NULL,
    name      MEDIUMTEXT NOT NULL,
    what      MEDIUMTEXT NOT NULL,
    bytes     BIGINT,
    took_ms   BIGINT,
    bad       BIGINT NOT NULL,
    KEY attempt_steps_by_device (device_id, at),
    KEY attempt_steps_by_age (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- The device's last attempt, which may be under way, and its states until it ends: they are written with the state itself.
ALTER TABLE devices ADD COLUMN attempt_id BIGINT;

ALTER TABLE devices ADD COLUMN trail MEDIUMTEXT NOT NULL DEFAULT '';
