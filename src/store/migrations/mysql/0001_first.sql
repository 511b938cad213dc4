-- As the step of this number for SQLite. What differs, here and in all that follow:
-- A column that a key holds has a length; a text is compared by its code points and blanks at its end count (nopad_bin), so that
-- keys, comparisons and orders are those of SQLite. A statement ends with a semicolon at the end of a line, and is run by
-- itself: DDL commits at once here, and what was done before a crash is passed over when the step is begun again.
-- A number that is given is never given again, but there are gaps, and on a cluster each node gives numbers of its own.

CREATE TABLE imaging_servers (
    name VARCHAR(255) NOT NULL PRIMARY KEY,
    url  MEDIUMTEXT NOT NULL                    -- empty until the server has registered itself
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE hardware_types (
    id            BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    type          VARCHAR(255) NOT NULL,
    model         VARCHAR(255) NOT NULL,
    ping_steady_s BIGINT NOT NULL,
    limits        MEDIUMTEXT NOT NULL,          -- JSON object: state -> seconds
    UNIQUE KEY hardware_types_by_name (type, model)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE pxe_configs (
    name        VARCHAR(64) NOT NULL PRIMARY KEY,
    description MEDIUMTEXT NOT NULL,
    contents    MEDIUMTEXT NOT NULL,
    active      BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE images (
    id                   BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    name                 VARCHAR(64) NOT NULL,
    boot_config_keys     MEDIUMTEXT NOT NULL,   -- JSON list of texts
    boot_config_defaults MEDIUMTEXT NOT NULL,   -- JSON object, or empty
    can_reuse            BIGINT NOT NULL,
    hidden               BIGINT NOT NULL,
    health_check         MEDIUMTEXT NOT NULL,
    second_stage         MEDIUMTEXT NOT NULL,
    limits               MEDIUMTEXT NOT NULL,   -- JSON object: state -> seconds
    UNIQUE KEY images_by_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE image_pxe_configs (
    image       VARCHAR(64) NOT NULL,
    hardware_id BIGINT NOT NULL,
    pxe_config  VARCHAR(64) NOT NULL,
    PRIMARY KEY (image, hardware_id),
    CONSTRAINT cell_of_image FOREIGN KEY (image) REFERENCES images (name),
    CONSTRAINT cell_of_hardware FOREIGN KEY (hardware_id) REFERENCES hardware_types (id),
    CONSTRAINT cell_has_pxe_config FOREIGN KEY (pxe_config) REFERENCES pxe_configs (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE relay_boards (
    name           VARCHAR(64) NOT NULL PRIMARY KEY,
    fqdn           VARCHAR(255) NOT NULL,
    imaging_server VARCHAR(255) NOT NULL,
    UNIQUE KEY relay_boards_by_fqdn (fqdn),
    CONSTRAINT relay_board_of_server FOREIGN KEY (imaging_server) REFERENCES imaging_servers (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE devices (
    id               BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    name             VARCHAR(64) NOT NULL,
    -- What inventory and people say.
    fqdn             MEDIUMTEXT NOT NULL,
    mac              VARCHAR(12),               -- 12 hex digits, lower case
    imaging_server   VARCHAR(255) NOT NULL,
    relay_info       MEDIUMTEXT NOT NULL,
    -- The search's index must hold environment, processor and tags whole, and 3072 bytes are all that a key may have.
    environment      VARCHAR(128) NOT NULL,
    hardware_id      BIGINT,
    processor        VARCHAR(64) NOT NULL,
    tags             VARCHAR(400) NOT NULL,     -- JSON list of texts, sorted
    comments         MEDIUMTEXT NOT NULL,
    inventory_id     BIGINT NOT NULL,
    -- What the machine says.
    state            VARCHAR(64) NOT NULL,
    epoch            BIGINT NOT NULL,
    state_since      BIGINT NOT NULL,
    deadline         BIGINT,
    counters         MEDIUMTEXT NOT NULL,       -- JSON object: counter -> count
    installed_image  VARCHAR(64),
    installed_config MEDIUMTEXT,
    next_image       VARCHAR(64),
    next_config      MEDIUMTEXT,
    boot_pxe_config  MEDIUMTEXT,                -- may have gone since; then the board boots its disk
    boot_config      MEDIUMTEXT,
    vanished         BIGINT NOT NULL,
    self_testing     BIGINT NOT NULL,
    progress         BIGINT,
    failures         MEDIUMTEXT NOT NULL,       -- JSON list of times
    UNIQUE KEY devices_by_name (name),
    UNIQUE KEY devices_by_mac (mac),
    KEY devices_by_state (state, environment),
    KEY devices_by_server (imaging_server),
    CONSTRAINT device_of_server FOREIGN KEY (imaging_server) REFERENCES imaging_servers (name),
    CONSTRAINT device_has_hardware FOREIGN KEY (hardware_id) REFERENCES hardware_types (id),
    CONSTRAINT device_has_image FOREIGN KEY (installed_image) REFERENCES images (name),
    CONSTRAINT device_gets_image FOREIGN KEY (next_image) REFERENCES images (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE requests (
    id               BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    imaging_server   VARCHAR(255) NOT NULL,
    assignee         MEDIUMTEXT NOT NULL,
    reason           MEDIUMTEXT NOT NULL,
    created          BIGINT NOT NULL,
    -- What is wanted; NULL is "any".
    requested_device MEDIUMTEXT,                -- may have gone since
    environment      MEDIUMTEXT,
    image            VARCHAR(64) NOT NULL,
    boot_config      MEDIUMTEXT NOT NULL,
    hardware_type    MEDIUMTEXT,
    hardware_model   MEDIUMTEXT,
    processor        MEDIUMTEXT,
    tags             MEDIUMTEXT NOT NULL,       -- JSON list of texts
    -- What the machine says.
    state            VARCHAR(64) NOT NULL,
    epoch            BIGINT NOT NULL,
    deadline         BIGINT,
    counters         MEDIUMTEXT NOT NULL,       -- JSON object: counter -> count
    expires          BIGINT NOT NULL,
    queue_until      BIGINT,
    KEY requests_by_server (imaging_server, state),
    KEY requests_by_expiry (expires),
    CONSTRAINT request_of_server FOREIGN KEY (imaging_server) REFERENCES imaging_servers (name),
    CONSTRAINT request_for_image FOREIGN KEY (image) REFERENCES images (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- One device per request and one request per device: these two keys are what keeps a board from being given out twice.
CREATE TABLE claims (
    request_id     BIGINT NOT NULL PRIMARY KEY,
    device_id      BIGINT NOT NULL,
    imaging_result VARCHAR(64),
    UNIQUE KEY claims_by_device (device_id),
    CONSTRAINT claim_of_request FOREIGN KEY (request_id) REFERENCES requests (id),
    CONSTRAINT claim_of_device FOREIGN KEY (device_id) REFERENCES devices (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Logs refer to their owner without a foreign key: they are many, and their owner is looked up when they are written.
CREATE TABLE device_logs (
    id        BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    device_id BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    source    VARCHAR(64) NOT NULL,
    message   MEDIUMTEXT NOT NULL,
    KEY device_logs_by_device (device_id, id),
    KEY device_logs_by_age (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE request_logs (
    id         BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    request_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    source     VARCHAR(64) NOT NULL,
    message    MEDIUMTEXT NOT NULL,
    KEY request_logs_by_request (request_id, id),
    KEY request_logs_by_age (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE stray_logs (
    id      BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    at      BIGINT NOT NULL,
    sender  VARCHAR(255) NOT NULL,
    message MEDIUMTEXT NOT NULL,
    KEY stray_logs_by_age (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
