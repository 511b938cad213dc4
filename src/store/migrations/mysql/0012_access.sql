-- Who may do what. Of a secret only its SHA-256 is kept, in hex.
CREATE TABLE tokens (
    name         VARCHAR(80) NOT NULL PRIMARY KEY,
    hash         VARCHAR(64) UNIQUE,            -- null for somebody whom a reverse proxy names: there is no secret
    role         VARCHAR(16) NOT NULL,
    environments MEDIUMTEXT NOT NULL,           -- JSON list; empty for all
    made_at      BIGINT NOT NULL,
    expires_at   BIGINT,                        -- null for never
    used_at      BIGINT                         -- the day on which it was used last
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Browsers that somebody has logged in with. They end with their token: its name may be given again, to somebody else.
CREATE TABLE sessions (
    hash    VARCHAR(64) NOT NULL PRIMARY KEY,
    token   VARCHAR(80) NOT NULL,
    made_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    KEY sessions_by_token (token),
    KEY sessions_by_age (made_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Who has changed what, over the API and by hand on the server.
CREATE TABLE audit_log (
    id         BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    at         BIGINT NOT NULL,
    who        VARCHAR(255) NOT NULL,           -- a token, a user, or words in brackets
    role       VARCHAR(16) NOT NULL,            -- empty for none
    via        VARCHAR(16) NOT NULL,            -- how they were known
    address    VARCHAR(64) NOT NULL,            -- that they called from
    method     VARCHAR(16) NOT NULL,
    path       TEXT NOT NULL,                   -- without its query
    status     BIGINT NOT NULL,                 -- of the answer
    device     TEXT,
    request_id BIGINT,                          -- may have gone since
    KEY audit_log_by_age (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
