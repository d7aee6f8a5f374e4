-- change: Users can log in with a password, of which the column holds the bcrypt hash
-- rollback: ALTER TABLE "User" DROP COLUMN "password"
-- verify: SELECT count(*) FROM "User" WHERE "password" IS NOT NULL

-- AlterTable
ALTER TABLE "User" ADD COLUMN "password" TEXT;
