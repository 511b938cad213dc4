-- As the step of this number for SQLite.
ALTER TABLE devices ADD COLUMN boot_token VARCHAR(32);
