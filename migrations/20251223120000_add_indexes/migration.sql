-- change: Indexes for the common queries: doctors by specialty, the queue of a day, appointments by user and by status
-- rollback: Drop the four indexes, no data is lost
-- verify: SELECT count(*) FROM pg_indexes WHERE indexname IN ('Doctor_specialty_idx', 'Queue_doctorId_date_idx', 'Appointment_userId_idx', 'Appointment_status_idx')

-- CreateIndex
CREATE INDEX "Doctor_specialty_idx" ON "Doctor"("specialty");

-- CreateIndex
CREATE INDEX "Queue_doctorId_date_idx" ON "Queue"("doctorId", "date");

-- CreateIndex
CREATE INDEX "Appointment_userId_idx" ON "Appointment"("userId");

-- CreateIndex
CREATE INDEX "Appointment_status_idx" ON "Appointment"("status");
