-- What subscriptions can do since 14.
CREATE SUBSCRIPTION quick CONNECTION 'dbname=nowhere' PUBLICATION news WITH (connect = false, slot_name = NONE, binary = true, streaming = true);
