-- Boards that have turned to this pool and are no devices of it: they asked for a boot config, or their agent registered.
-- A row goes when a device with its MAC is made, when nobody has heard of it for long, or when others need its place.
CREATE TABLE candidates (
    mac            VARCHAR(12) NOT NULL PRIMARY KEY, -- 12 hex digits
    address        VARCHAR(255) NOT NULL,       -- where it was last
    imaging_server VARCHAR(255) NOT NULL,       -- that it turned to last
    first_at       BIGINT NOT NULL,
    last_at        BIGINT NOT NULL,
    seen           BIGINT NOT NULL,             -- how often it turned to us
    asked_for      MEDIUMTEXT NOT NULL,         -- by TFTP, the last; empty for nothing
    registered_at  BIGINT,                      -- when its agent said the last of what follows; null for never
    os             TEXT NOT NULL,
    hardware       TEXT NOT NULL,
    pool           TEXT NOT NULL,
    command_port   BIGINT,
    data_port      BIGINT,
    ignored        BIGINT NOT NULL,             -- somebody wants to see no more of it
    KEY candidates_by_age (ignored, last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
