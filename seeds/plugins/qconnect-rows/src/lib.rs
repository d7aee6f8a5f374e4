//! The rows of `seeds/qconnect.toml`, written by a plugin: for where declaring is not enough. Here it is not for the patients, whose number is
//! a parameter; their names are drawn, and are the same in every run.

use orchestrator_sdk::Error;
use orchestrator_sdk::seed::{Context, Seed, Transaction, by};
use serde::{Deserialize, Serialize};

struct Rows;

#[derive(Deserialize)]
struct Parameters {
    patients: u64,
}

#[derive(Serialize)]
struct User {
    email: String,
    name: String,
    phone: String,
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Doctor {
    name: &'static str,
    specialty: &'static str,
    room_no: &'static str,
}

#[derive(Serialize)]
struct File {
    url: String,
    name: &'static str,
    mime: &'static str,
    size: u32,
    #[serde(rename = "uploaderEmail")]
    uploader: &'static str,
}

/// With the date of each one's queue.
const DOCTORS: [(Doctor, &str); 4] = [
    (doctor("Dr. Smith", "Cardiology", "A101"), "2026-01-18"),
    (doctor("Dr. Johnson", "Neurology", "B202"), "2026-01-19"),
    (doctor("Dr. Williams", "Orthopedics", "C303"), "2026-01-20"),
    (doctor("Dr. Brown", "Dermatology", "D404"), "2026-01-21"),
];

impl Seed for Rows {
    type Parameters = Parameters;

    fn seed(context: &Context<Parameters>) -> Result<(), Error> {
        context.transaction(|tx| {
            users(tx)?;
            queues(tx)?;
            appointments(tx)?;
            files(tx)
        })?;
        let patients = (1..=context.parameters.patients).map(|number| patient(context, number));
        context.table("User").key(["email"]).upsert(patients)?;
        Ok(())
    }
}

orchestrator_sdk::export_seed!(Rows);

fn users(tx: &Transaction) -> Result<(), Error> {
    let users = [
        ("alice", "Alice Johnson", 1, "PATIENT"),
        ("bob", "Bob Smith", 2, "PATIENT"),
        ("charlie", "Charlie Brown", 3, "PATIENT"),
        ("diana", "Diana Prince", 4, "PATIENT"),
        ("admin", "Admin User", 0, "ADMIN"),
    ];
    let users = users.map(|(mailbox, name, extension, role)| User {
        email: format!("{mailbox}@example.com"),
        name: name.to_owned(),
        phone: format!("+1 555 010{extension}"),
        role,
    });
    tx.table("User").key(["email"]).upsert(users)?;
    Ok(())
}

fn queues(tx: &Transaction) -> Result<(), Error> {
    let doctors = DOCTORS.iter().map(|(doctor, _)| doctor);
    tx.table("Doctor").key(["name"]).upsert(doctors)?;
    let queues = DOCTORS
        .iter()
        .map(|(doctor, date)| queue(doctor.name, date));
    tx.table("Queue").key(["doctor", "date"]).upsert(queues)?;
    Ok(())
}

fn appointments(tx: &Transaction) -> Result<(), Error> {
    let booked = [
        (0, 1, "alice", "PENDING"),
        (0, 2, "bob", "PENDING"),
        (0, 3, "charlie", "IN_PROGRESS"),
        (1, 1, "diana", "COMPLETED"),
    ];
    let appointments = booked.map(|(at, token, mailbox, status)| {
        let (doctor, date) = &DOCTORS[at];
        by([
            ("queue", queue(doctor.name, date)),
            ("tokenNo", token.into()),
            ("user", by([("email", format!("{mailbox}@example.com"))])),
            ("status", status.into()),
        ])
    });
    tx.table("Appointment")
        .key(["queue", "tokenNo"])
        .upsert(appointments)?;
    Ok(())
}

fn files(tx: &Transaction) -> Result<(), Error> {
    const PDF: &str = "application/pdf";
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let files = [
        ("prescription_1.pdf", PDF, 250_000, "alice@example.com"),
        ("medical_report.pdf", PDF, 450_000, "bob@example.com"),
        ("lab_results.xlsx", XLSX, 120_000, "charlie@example.com"),
    ];
    let files = files.map(|(name, mime, size, uploader)| File {
        url: format!("https://files.example.com/{name}"),
        name,
        mime,
        size,
        uploader,
    });
    tx.table("File").key(["url"]).upsert(files)?;
    Ok(())
}

fn patient(context: &Context<Parameters>, number: u64) -> User {
    let first = ["Ada", "Barbara", "Edsger", "Grace", "Niklaus", "Radia"];
    let last = ["Adams", "Baker", "Clark", "Davis", "Evans", "Frank"];
    let mut names = context.random("User", "name", number);
    let mut phones = context.random("User", "phone", number);
    User {
        email: format!("patient{number}@example.com"),
        name: format!("{} {}", names.pick(&first), names.pick(&last)),
        phone: format!("+1 555 {:04}", phones.between(200, 9_999)),
        role: "PATIENT",
    }
}

/// A queue by what people know it by: its doctor and its day.
fn queue(doctor: &str, date: &str) -> serde_json::Value {
    by([("doctor", by([("name", doctor)])), ("date", date.into())])
}

const fn doctor(name: &'static str, specialty: &'static str, room_no: &'static str) -> Doctor {
    Doctor {
        name,
        specialty,
        room_no,
    }
}
