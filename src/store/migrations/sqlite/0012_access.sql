-- Who may do what. Of a secret only its SHA-256 is kept, in hex.
CREATE TABLE tokens (
    name         TEXT NOT NULL PRIMARY KEY,
    hash         TEXT UNIQUE,                   -- null for somebody whom a reverse proxy names: there is no secret
    role         TEXT NOT NULL,
    environments TEXT NOT NULL,                 -- JSON list; empty for all
    made_at      INTEGER NOT NULL,
    expires_at   INTEGER,                       -- null for never
    used_at      INTEGER                        -- the day on which it was used last
) STRICT;

-- Browsers that somebody has logged in with. They end with their token: its name may be given again, to somebody else.
CREATE TABLE sessions (
    hash    TEXT NOT NULL PRIMARY KEY,
    token   TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_token ON sessions (token);
CREATE INDEX sessions_by_age ON sessions (made_at);

-- Who has changed what, over the API and by hand on the server.
CREATE TABLE audit_log (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    who        TEXT NOT NULL,                   -- a token, a user, or words in brackets
    role       TEXT NOT NULL,                   -- empty for none
    via        TEXT NOT NULL,                   -- how they were known
    address    TEXT NOT NULL,                   -- that they called from
    method     TEXT NOT NULL,
    path       TEXT NOT NULL,                   -- without its query
    status     INTEGER NOT NULL,                -- of the answer
    device     TEXT,
    request_id INTEGER                          -- may have gone since
) STRICT;
CREATE INDEX audit_log_by_age ON audit_log (at);
