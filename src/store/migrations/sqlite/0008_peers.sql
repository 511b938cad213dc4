-- Who of the pool's imaging servers lives. A row per server that has joined; a server that is alone has none.
CREATE TABLE server_heartbeats (
    server         TEXT NOT NULL PRIMARY KEY REFERENCES imaging_servers (name),
    instance       TEXT NOT NULL,               -- tells one start of it from another
    started        INTEGER NOT NULL,            -- by its own clock
    last_seen      INTEGER NOT NULL,            -- by its own clock
    beats          INTEGER NOT NULL,            -- counts up while it lives; others watch it
    gone           INTEGER NOT NULL,            -- somebody has seen it stand still, or it has left
    version        TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    protocol       INTEGER NOT NULL
) STRICT;
