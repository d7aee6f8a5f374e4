//! A transaction, all or nothing: a booking takes the queue's next number and an appointment with it. The second booking takes a number too, but its
//! appointment cannot be: then the number is given back.

use orchestrator_sdk::postgres::{self, Connection, OwnedRow, Target};
use orchestrator_sdk::seed::Transaction;
use orchestrator_sdk::{Error, Operation, run};
use serde::Deserialize;
use serde_json::{Value, json};

struct Booking;

#[derive(Deserialize)]
struct Parameters {
    database: String,
    patient: String,
    doctor: String,
}

/// The queue, from the row that tells of it.
struct Queue {
    id: i64,
    number: i64,
}

const QUEUE: &str = "SELECT q.\"id\", q.\"currentNo\" FROM \"Queue\" q JOIN \"Doctor\" d ON d.\"id\" = q.\"doctorId\" \
                     WHERE d.\"name\" = $1 ORDER BY q.\"date\" LIMIT 1";
const NEXT: &str = "UPDATE \"Queue\" SET \"currentNo\" = \"currentNo\" + 1 WHERE \"id\" = $1 RETURNING \"id\", \"currentNo\"";
const APPOINT: &str = "INSERT INTO \"Appointment\" (\"tokenNo\", \"queueId\", \"userId\") \
                       SELECT $1::int, $2::int, \"id\" FROM \"User\" WHERE \"email\" = $3";

impl Operation for Booking {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        let connection = postgres::connect(&parameters.database, Target::Database)?;
        let before = queue(&connection, &parameters.doctor)?;
        let booked = book(&connection, &before, &parameters.patient, None, dry_run)?;
        if dry_run {
            return Ok(json!({ "token": booked, "number_before": before.number }));
        }
        let after = queue(&connection, &parameters.doctor)?;
        // The token of the first booking again: the table has each once in a queue.
        let failed = match book(
            &connection,
            &before,
            &parameters.patient,
            Some(booked),
            false,
        ) {
            Err(error) if error.sqlstate.as_deref() == Some("23505") => error,
            Err(error) => return Err(error),
            Ok(token) => {
                return Err(Error::internal(format!(
                    "the token {token} was booked twice"
                )));
            }
        };
        let in_the_end = queue(&connection, &parameters.doctor)?;
        run::info(&format!(
            "booked {booked}: the queue went from {} to {}; a booking that failed left it at {}",
            before.number, after.number, in_the_end.number
        ));
        Ok(json!({
            "token": booked,
            "number_before": before.number,
            "number_after": after.number,
            "failed_booking": failed.message,
            "number_after_failure": in_the_end.number,
        }))
    }
}

orchestrator_sdk::export!(Booking);

/// Books the queue's next number, or a given one; the number.
fn book(
    connection: &Connection,
    queue: &Queue,
    patient: &str,
    token: Option<i64>,
    dry_run: bool,
) -> Result<i64, Error> {
    let transaction = match dry_run {
        true => Transaction::rehearse(connection)?,
        false => Transaction::begin(connection)?,
    };
    let next = read(&transaction.query_one(NEXT, &[queue.id.into()])?)?;
    let token = token.unwrap_or(next.number);
    let booked = transaction.execute(APPOINT, &[token.into(), queue.id.into(), patient.into()])?;
    if booked == 0 {
        return Err(Error::not_found(format!("there is no user {patient}")));
    }
    match dry_run {
        true => transaction.rollback()?,
        false => transaction.commit()?,
    }
    Ok(token)
}

fn queue(connection: &Connection, doctor: &str) -> Result<Queue, Error> {
    let rows = connection.query(QUEUE, &[doctor.into()])?;
    let row = rows
        .first()?
        .ok_or_else(|| Error::not_found(format!("{doctor} has no queue")))?;
    read(&row)
}

fn read(row: &OwnedRow) -> Result<Queue, Error> {
    Ok(Queue {
        id: row.get("id")?,
        number: row.get("currentNo")?,
    })
}
