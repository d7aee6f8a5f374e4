-- What subscriptions can do since 16.
CREATE SUBSCRIPTION careful CONNECTION 'dbname=nowhere' PUBLICATION news
  WITH (connect = false, slot_name = NONE, streaming = parallel, disable_on_error = true, password_required = false, run_as_owner = true, origin = none);
