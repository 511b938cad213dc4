-- As the step of this number for SQLite.

CREATE TABLE server_heartbeats (
    server         VARCHAR(255) NOT NULL PRIMARY KEY,
    instance       MEDIUMTEXT NOT NULL,
    started        BIGINT NOT NULL,
    last_seen      BIGINT NOT NULL,
    beats          BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    version        MEDIUMTEXT NOT NULL,
    schema_version BIGINT NOT NULL,
    protocol       BIGINT NOT NULL,
    CONSTRAINT server_heartbeats_server FOREIGN KEY (server) REFERENCES imaging_servers (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
