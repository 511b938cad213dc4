-- What has changed, in the order in which it was committed. Numbers are given by `change_counts` in the transaction of the
-- change, so they have no gaps: a number that is taken back with its transaction is given again.

CREATE TABLE changes (
    seq     INTEGER NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,                      -- name, or number of a request; may have gone since
    what    TEXT NOT NULL,
    data    TEXT NOT NULL                       -- JSON object
) STRICT;

-- The last number that was given: in all, and to each kind. These never go back, although old changes are deleted.
CREATE TABLE change_counts (
    kind TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;
INSERT INTO change_counts (kind, last) VALUES
    ('all', 0), ('device', 0), ('request', 0), ('image', 0), ('pxe_config', 0), ('hardware_type', 0),
    ('relay_board', 0), ('server', 0);
