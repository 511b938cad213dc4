-- What the search for a board goes by, and wishes that several values satisfy.

-- The installed image ('' for none) while the device is ready and nobody's, else NULL: kept by every statement that changes
-- a state or a claim, in its transaction. It narrows the search; the claim's own conditions decide.
ALTER TABLE devices ADD COLUMN free_image TEXT;
-- Its place in the round that samples of free devices are taken from; computed from its name.
ALTER TABLE devices ADD COLUMN lot INTEGER NOT NULL DEFAULT 0;
-- Holds all that a search asks of devices before it has chosen some.
CREATE INDEX devices_free ON devices (free_image, environment, hardware_id, processor, tags, lot, name);

-- Nothing asks for devices by state alone any more, and every move of every device had to keep it.
DROP INDEX devices_by_state;

-- Wishes are JSON lists of texts of which one must match; NULL stays "any".
UPDATE requests SET environment = json_array(environment) WHERE environment IS NOT NULL;
UPDATE requests SET hardware_type = json_array(hardware_type) WHERE hardware_type IS NOT NULL;
UPDATE requests SET hardware_model = json_array(hardware_model) WHERE hardware_model IS NOT NULL;
UPDATE requests SET processor = json_array(processor) WHERE processor IS NOT NULL;
-- Tags: a JSON list whose members are texts, or lists of texts of which one must be there. What is stored is that already.
