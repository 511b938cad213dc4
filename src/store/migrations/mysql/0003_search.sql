-- What the search for a board goes by. Wishes are JSON lists of texts of which one must match; there are none from before that.

-- The installed image ('' for none) while the device is ready and nobody's, else NULL: kept by every statement that changes
-- a state or a claim, in its transaction. It narrows the search; the claim's own conditions decide.
ALTER TABLE devices ADD COLUMN free_image VARCHAR(64);

-- Its place in the round that samples of free devices are taken from; computed from its name.
ALTER TABLE devices ADD COLUMN lot BIGINT NOT NULL DEFAULT 0;

-- Holds all that a search asks of devices before it has chosen some.
CREATE INDEX devices_free ON devices (free_image, environment, hardware_id, processor, tags, lot, name);

-- Nothing asks for devices by state alone any more, and every move of every device had to keep it.
DROP INDEX devices_by_state ON devices;
