-- The example application: mixed-case names, enums, serial keys, as Prisma makes them, with its own history of migrations.
CREATE TYPE "Role" AS ENUM ('PATIENT', 'ADMIN');
CREATE TYPE "Status" AS ENUM ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED');
CREATE TABLE "User" (
  "id" SERIAL NOT NULL, "name" TEXT NOT NULL, "email" TEXT NOT NULL, "role" "Role" NOT NULL DEFAULT 'PATIENT',
  "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);
ALTER TABLE "User" ADD COLUMN "phone" TEXT;
ALTER TABLE "User" ADD COLUMN "password" TEXT;
CREATE TABLE "Doctor" ("id" SERIAL NOT NULL, "name" TEXT NOT NULL, "specialty" TEXT NOT NULL, "roomNo" TEXT NOT NULL, CONSTRAINT "Doctor_pkey" PRIMARY KEY ("id"));
CREATE TABLE "Queue" ("id" SERIAL NOT NULL, "doctorId" INTEGER NOT NULL, "date" TIMESTAMP(3) NOT NULL, "currentNo" INTEGER NOT NULL DEFAULT 0, CONSTRAINT "Queue_pkey" PRIMARY KEY ("id"));
CREATE TABLE "Appointment" (
  "id" SERIAL NOT NULL, "tokenNo" INTEGER NOT NULL, "status" "Status" NOT NULL DEFAULT 'PENDING', "userId" INTEGER NOT NULL, "queueId" INTEGER NOT NULL,
  CONSTRAINT "Appointment_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "File" (
  "id" SERIAL NOT NULL, "name" TEXT NOT NULL, "url" TEXT NOT NULL, "mime" TEXT NOT NULL, "size" INTEGER,
  "uploadedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "uploaderEmail" TEXT, CONSTRAINT "File_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "RefreshToken" (
  "id" SERIAL NOT NULL, "tokenHash" TEXT NOT NULL, "userId" INTEGER NOT NULL, "expiresAt" TIMESTAMP(3) NOT NULL,
  "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT "RefreshToken_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE UNIQUE INDEX "Appointment_queueId_tokenNo_key" ON "Appointment"("queueId", "tokenNo");
CREATE UNIQUE INDEX "RefreshToken_tokenHash_key" ON "RefreshToken"("tokenHash");
CREATE INDEX "RefreshToken_userId_idx" ON "RefreshToken"("userId");
CREATE INDEX "Doctor_specialty_idx" ON "Doctor"("specialty");
CREATE INDEX "Queue_doctorId_date_idx" ON "Queue"("doctorId", "date");
CREATE INDEX "Appointment_userId_idx" ON "Appointment"("userId");
CREATE INDEX "Appointment_status_idx" ON "Appointment"("status");
ALTER TABLE "Queue" ADD CONSTRAINT "Queue_doctorId_fkey" FOREIGN KEY ("doctorId") REFERENCES "Doctor"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "Appointment" ADD CONSTRAINT "Appointment_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "Appointment" ADD CONSTRAINT "Appointment_queueId_fkey" FOREIGN KEY ("queueId") REFERENCES "Queue"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "RefreshToken" ADD CONSTRAINT "RefreshToken_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
CREATE TABLE "_prisma_migrations" (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT,
  rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "User" (name, email, role) VALUES ('Alice Johnson', 'alice@example.com', 'PATIENT'), ('Bob Smith', 'bob@example.com', 'PATIENT'),
  ('Charlie Brown', 'charlie@example.com', 'PATIENT'), ('Diana Prince', 'diana@example.com', 'PATIENT'), ('Admin User', 'admin@example.com', 'ADMIN');
INSERT INTO "Doctor" (name, specialty, "roomNo") VALUES ('Dr. Smith', 'Cardiology', 'A101'), ('Dr. Johnson', 'Neurology', 'B202'),
  ('Dr. Williams', 'Orthopedics', 'C303'), ('Dr. Brown', 'Dermatology', 'D404');
INSERT INTO "Queue" ("doctorId", date) VALUES (1, '2026-01-18'), (2, '2026-01-19'), (3, '2026-01-20'), (4, '2026-01-21');
INSERT INTO "Appointment" ("tokenNo", status, "userId", "queueId") VALUES (1, 'PENDING', 1, 1), (1, 'PENDING', 2, 2), (1, 'IN_PROGRESS', 3, 3), (1, 'COMPLETED', 4, 4);
INSERT INTO "File" (name, url, mime, size) VALUES ('prescription_1.pdf', 'https://files.example.com/1', 'application/pdf', 250000),
  ('medical_report.pdf', 'https://files.example.com/2', 'application/pdf', 450000), ('lab_results.xlsx', 'https://files.example.com/3', 'application/vnd.ms-excel', 120000);
INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, applied_steps_count)
  VALUES ('0b7e0c0a-4f0e-4a64-9c55-0b6f2b6d8f11', repeat('0', 64), now(), '20251217083615_init_schema', 1);
