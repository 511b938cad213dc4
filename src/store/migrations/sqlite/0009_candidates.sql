-- Boards that have turned to this pool and are no devices of it: they asked for a boot config, or their agent registered.
-- A row goes when a device with its MAC is made, when nobody has heard of it for long, or when others need its place.
CREATE TABLE candidates (
    mac            TEXT NOT NULL PRIMARY KEY,   -- 12 hex digits
    address        TEXT NOT NULL,               -- where it was last
    imaging_server TEXT NOT NULL,               -- that it turned to last
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    seen           INTEGER NOT NULL,            -- how often it turned to us
    asked_for      TEXT NOT NULL,               -- by TFTP, the last; empty for nothing
    registered_at  INTEGER,                     -- when its agent said the last of what follows; null for never
    os             TEXT NOT NULL,
    hardware       TEXT NOT NULL,
    pool           TEXT NOT NULL,
    command_port   INTEGER,
    data_port      INTEGER,
    ignored        INTEGER NOT NULL             -- somebody wants to see no more of it
) STRICT;
CREATE INDEX candidates_by_age ON candidates (ignored, last_at);
