-- Each boot of the live system has a token, without which nothing is believed that a board reports: 32 hex digits, while it runs.
ALTER TABLE devices ADD COLUMN boot_token TEXT;
