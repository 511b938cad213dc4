-- Boards that are no devices yet are told of like everything else.
INSERT INTO change_counts (kind, last) VALUES ('candidate', 0);
