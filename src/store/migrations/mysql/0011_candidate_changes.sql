-- Boards that are no devices yet are told of like everything else. A step that was interrupted may have come so far.
INSERT IGNORE INTO change_counts (kind, last) VALUES ('candidate', 0);
