-- Work that one server of a pool does for all: who has it, and until when unless it is taken again. A holder that dies loses it by time.
CREATE TABLE leases (
    name    TEXT NOT NULL PRIMARY KEY,
    holder  TEXT NOT NULL,                      -- a server's name
    ends_at INTEGER NOT NULL
) STRICT;
