-- Subscriptions that are not connected.
CREATE SUBSCRIPTION plain CONNECTION 'dbname=nowhere password=it''s_secret' PUBLICATION news WITH (connect = false, slot_name = NONE);
CREATE SUBSCRIPTION "Other One" CONNECTION 'host=/nowhere dbname=nowhere' PUBLICATION "Odd News", news WITH (connect = false, slot_name = NONE, synchronous_commit = local);
COMMENT ON SUBSCRIPTION plain IS 'to nothing';
