-- change: Users can log in with a password; the column holds bcrypt hashes
-- rollback: ALTER TABLE "User" DROP COLUMN "password"
-- verify: SELECT count(*) FROM "User" WHERE "password" IS NOT NULL

-- AlterTable
ALTER TABLE "User" ADD COLUMN "password" TEXT;
