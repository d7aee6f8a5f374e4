-- change: Users can leave a phone number
-- rollback: ALTER TABLE "User" DROP COLUMN "phone"
-- verify: SELECT count(*) FROM "User" WHERE "phone" IS NOT NULL

-- AlterTable
ALTER TABLE "User" ADD COLUMN "phone" TEXT;
