-- Who of the pool's imaging servers lives. A row per server that has joined; a server that is alone has none.
CREATE TABLE server_heartbeats (
    server         VARCHAR(255) NOT NULL PRIMARY KEY,
    instance       VARCHAR(64) NOT NULL,        -- tells one start of it from another
    started        BIGINT NOT NULL,             -- by its own clock
    last_seen      BIGINT NOT NULL,             -- by its own clock
    beats          BIGINT NOT NULL,             -- counts up while it lives; others watch it
    gone           BIGINT NOT NULL,             -- somebody has seen it stand still, or it has left
    version        VARCHAR(64) NOT NULL,
    schema_version BIGINT NOT NULL,
    protocol       BIGINT NOT NULL,
    FOREIGN KEY (server) REFERENCES imaging_servers (name)
);
