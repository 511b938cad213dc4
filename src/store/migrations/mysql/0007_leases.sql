-- Work that one server of a pool does for all: who has it, and until when unless it is taken again. A holder that dies loses it by time.
CREATE TABLE leases (
    name    VARCHAR(64) NOT NULL PRIMARY KEY,
    holder  VARCHAR(255) NOT NULL,              -- a server's name
    ends_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
