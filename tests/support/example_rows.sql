-- The example application's 20 rows: 5 users, 4 doctors, 4 queues, 4 appointments, 3 files.
--
-- Each row is found by its natural key, or by its id where it has none, and written only when it differs: a second run
-- changes nothing. Parents come before children.

INSERT INTO "User" AS present ("name", "email", "phone", "role") VALUES
    ('Alice Johnson', 'alice@example.com', '+1 555 0101', 'PATIENT'),
    ('Bob Smith', 'bob@example.com', '+1 555 0102', 'PATIENT'),
    ('Charlie Brown', 'charlie@example.com', '+1 555 0103', 'PATIENT'),
    ('Diana Prince', 'diana@example.com', '+1 555 0104', 'PATIENT'),
    ('Admin User', 'admin@example.com', '+1 555 0100', 'ADMIN')
ON CONFLICT ("email") DO UPDATE
    SET "name" = excluded."name", "phone" = excluded."phone", "role" = excluded."role"
    WHERE (present."name", present."phone", present."role")
        IS DISTINCT FROM (excluded."name", excluded."phone", excluded."role");

INSERT INTO "Doctor" AS present ("id", "name", "specialty", "roomNo") VALUES
    (1, 'Dr. Smith', 'Cardiology', 'A101'),
    (2, 'Dr. Johnson', 'Neurology', 'B202'),
    (3, 'Dr. Williams', 'Orthopedics', 'C303'),
    (4, 'Dr. Brown', 'Dermatology', 'D404')
ON CONFLICT ("id") DO UPDATE
    SET "name" = excluded."name", "specialty" = excluded."specialty", "roomNo" = excluded."roomNo"
    WHERE (present."name", present."specialty", present."roomNo")
        IS DISTINCT FROM (excluded."name", excluded."specialty", excluded."roomNo");

-- How far a queue has come (currentNo) is the application's to say: a seed leaves it alone.
INSERT INTO "Queue" AS present ("id", "doctorId", "date") VALUES
    (1, 1, '2026-01-18'),
    (2, 2, '2026-01-19'),
    (3, 3, '2026-01-20'),
    (4, 4, '2026-01-21')
ON CONFLICT ("id") DO UPDATE
    SET "doctorId" = excluded."doctorId", "date" = excluded."date"
    WHERE (present."doctorId", present."date") IS DISTINCT FROM (excluded."doctorId", excluded."date");

INSERT INTO "Appointment" AS present ("tokenNo", "status", "userId", "queueId")
SELECT seed.token, seed.status::"Status", "User"."id", seed.queue
FROM (VALUES
    (1, 'PENDING', 'alice@example.com', 1),
    (2, 'PENDING', 'bob@example.com', 1),
    (3, 'IN_PROGRESS', 'charlie@example.com', 1),
    (1, 'COMPLETED', 'diana@example.com', 2)
) AS seed (token, status, email, queue)
JOIN "User" ON "User"."email" = seed.email
ORDER BY seed.queue, seed.token
ON CONFLICT ("queueId", "tokenNo") DO UPDATE
    SET "status" = excluded."status", "userId" = excluded."userId"
    WHERE (present."status", present."userId") IS DISTINCT FROM (excluded."status", excluded."userId");

INSERT INTO "File" AS present ("id", "name", "url", "mime", "size", "uploaderEmail") VALUES
    (1, 'prescription_1.pdf', 'https://files.example.com/prescription_1.pdf', 'application/pdf', 250000, 'alice@example.com'),
    (2, 'medical_report.pdf', 'https://files.example.com/medical_report.pdf', 'application/pdf', 450000, 'bob@example.com'),
    (3, 'lab_results.xlsx', 'https://files.example.com/lab_results.xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 120000, 'charlie@example.com')
ON CONFLICT ("id") DO UPDATE
    SET "name" = excluded."name", "url" = excluded."url", "mime" = excluded."mime", "size" = excluded."size",
        "uploaderEmail" = excluded."uploaderEmail"
    WHERE (present."name", present."url", present."mime", present."size", present."uploaderEmail")
        IS DISTINCT FROM (excluded."name", excluded."url", excluded."mime", excluded."size", excluded."uploaderEmail");

-- Rows with a given id, and rows that were there already, must not meet the next new one.
SELECT setval(pg_get_serial_sequence('"User"', 'id'), max("id")) FROM "User";
SELECT setval(pg_get_serial_sequence('"Doctor"', 'id'), max("id")) FROM "Doctor";
SELECT setval(pg_get_serial_sequence('"Queue"', 'id'), max("id")) FROM "Queue";
SELECT setval(pg_get_serial_sequence('"Appointment"', 'id'), max("id")) FROM "Appointment";
SELECT setval(pg_get_serial_sequence('"File"', 'id'), max("id")) FROM "File";
