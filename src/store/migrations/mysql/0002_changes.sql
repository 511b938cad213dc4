-- What has changed, in the order in which it was committed. Numbers are given by `change_counts` in the transaction of the
-- change, so they have no gaps: a number that is taken back with its transaction is given again.

CREATE TABLE changes (
    seq     BIGINT NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    kind    VARCHAR(32) NOT NULL,
    subject MEDIUMTEXT NOT NULL,                -- name, or number of a request; may have gone since
    what    VARCHAR(32) NOT NULL,
    data    MEDIUMTEXT NOT NULL                 -- JSON object
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- The last number that was given: in all, and to each kind. These never go back, although old changes are deleted. The row of
-- all is also what writers wait for each other at: whoever writes locks it first.
CREATE TABLE change_counts (
    kind VARCHAR(32) NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

INSERT INTO change_counts (kind, last) VALUES
    ('all', 0), ('device', 0), ('request', 0), ('image', 0), ('pxe_config', 0), ('hardware_type', 0),
    ('relay_board', 0), ('server', 0);
