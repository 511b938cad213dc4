-- Times are UTC milliseconds, booleans 0 and 1, names unique keys. STRICT: a column holds its type or the write fails.
-- AUTOINCREMENT: a number is never given twice, so that log lines of what is gone never turn up under something new.

CREATE TABLE imaging_servers (
    name TEXT NOT NULL PRIMARY KEY,
    url  TEXT NOT NULL                          -- empty until the server has registered itself
) STRICT;

CREATE TABLE hardware_types (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    type          TEXT NOT NULL,
    model         TEXT NOT NULL,
    ping_steady_s INTEGER NOT NULL,
    limits        TEXT NOT NULL,                -- JSON object: state -> seconds
    UNIQUE (type, model)
) STRICT;

CREATE TABLE pxe_configs (
    name        TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    contents    TEXT NOT NULL,
    active      INTEGER NOT NULL
) STRICT;

CREATE TABLE images (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    name                 TEXT NOT NULL UNIQUE,
    boot_config_keys     TEXT NOT NULL,         -- JSON list of texts
    boot_config_defaults TEXT NOT NULL,         -- JSON object, or empty
    can_reuse            INTEGER NOT NULL,
    hidden               INTEGER NOT NULL,
    health_check         TEXT NOT NULL,
    second_stage         TEXT NOT NULL,
    limits               TEXT NOT NULL          -- JSON object: state -> seconds
) STRICT;

CREATE TABLE image_pxe_configs (
    image       TEXT NOT NULL REFERENCES images (name),
    hardware_id INTEGER NOT NULL REFERENCES hardware_types (id),
    pxe_config  TEXT NOT NULL REFERENCES pxe_configs (name),
    PRIMARY KEY (image, hardware_id)
) STRICT;

CREATE TABLE relay_boards (
    name           TEXT NOT NULL PRIMARY KEY,
    fqdn           TEXT NOT NULL UNIQUE,
    imaging_server TEXT NOT NULL REFERENCES imaging_servers (name)
) STRICT;

CREATE TABLE devices (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL UNIQUE,
    -- What inventory and people say.
    fqdn             TEXT NOT NULL,
    mac              TEXT UNIQUE,               -- 12 hex digits, lower case
    imaging_server   TEXT NOT NULL REFERENCES imaging_servers (name),
    relay_info       TEXT NOT NULL,
    environment      TEXT NOT NULL,
    hardware_id      INTEGER REFERENCES hardware_types (id),
    processor        TEXT NOT NULL,
    tags             TEXT NOT NULL,             -- JSON list of texts, sorted
    comments         TEXT NOT NULL,
    inventory_id     INTEGER NOT NULL,
    -- What the machine says.
    state            TEXT NOT NULL,
    epoch            INTEGER NOT NULL,
    state_since      INTEGER NOT NULL,
    deadline         INTEGER,
    counters         TEXT NOT NULL,             -- JSON object: counter -> count
    installed_image  TEXT REFERENCES images (name),
    installed_config TEXT,
    next_image       TEXT REFERENCES images (name),
    next_config      TEXT,
    boot_pxe_config  TEXT,                      -- may have gone since; then the board boots its disk
    boot_config      TEXT,
    vanished         INTEGER NOT NULL,
    self_testing     INTEGER NOT NULL,
    progress         INTEGER,
    failures         TEXT NOT NULL              -- JSON list of times
) STRICT;
CREATE INDEX devices_by_state ON devices (state, environment);
CREATE INDEX devices_by_server ON devices (imaging_server);

CREATE TABLE requests (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    imaging_server   TEXT NOT NULL REFERENCES imaging_servers (name),
    assignee         TEXT NOT NULL,
    reason           TEXT NOT NULL,
    created          INTEGER NOT NULL,
    -- What is wanted; NULL is "any".
    requested_device TEXT,                      -- may have gone since
    environment      TEXT,
    image            TEXT NOT NULL REFERENCES images (name),
    boot_config      TEXT NOT NULL,
    hardware_type    TEXT,
    hardware_model   TEXT,
    processor        TEXT,
    tags             TEXT NOT NULL,             -- JSON list of texts
    -- What the machine says.
    state            TEXT NOT NULL,
    epoch            INTEGER NOT NULL,
    deadline         INTEGER,
    counters         TEXT NOT NULL,             -- JSON object: counter -> count
    expires          INTEGER NOT NULL,
    queue_until      INTEGER
) STRICT;
CREATE INDEX requests_by_server ON requests (imaging_server, state);
CREATE INDEX requests_by_expiry ON requests (expires);

-- One device per request and one request per device: these two keys are what keeps a board from being given out twice.
CREATE TABLE claims (
    request_id     INTEGER NOT NULL PRIMARY KEY REFERENCES requests (id),
    device_id      INTEGER NOT NULL UNIQUE REFERENCES devices (id),
    imaging_result TEXT
) STRICT;

-- Logs refer to their owner without a foreign key: they are many, and their owner is looked up when they are written.
CREATE TABLE device_logs (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    source    TEXT NOT NULL,
    message   TEXT NOT NULL
) STRICT;
CREATE INDEX device_logs_by_device ON device_logs (device_id, id);
CREATE INDEX device_logs_by_age ON device_logs (at);

CREATE TABLE request_logs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    source     TEXT NOT NULL,
    message    TEXT NOT NULL
) STRICT;
CREATE INDEX request_logs_by_request ON request_logs (request_id, id);
CREATE INDEX request_logs_by_age ON request_logs (at);

CREATE TABLE stray_logs (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    sender  TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX stray_logs_by_age ON stray_logs (at);
