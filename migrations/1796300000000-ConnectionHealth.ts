import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Connections are checked by themselves, and what was found is kept. */
export class ConnectionHealth1796300000000 implements MigrationInterface {
  name = 'ConnectionHealth1796300000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            ALTER TABLE "connections"
              ADD "health_check_interval" integer NOT NULL DEFAULT 0,
              ADD "next_check_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
              ADD "failed_checks" integer NOT NULL DEFAULT 0
        `);
    // Those that are processes are left alone: each check would start one.
    await queryRunner.query(`
            UPDATE "connections" c SET "health_check_interval" = 60, "next_check_at" = now() + random() * interval '60 s'
              FROM "server_types" t WHERE t."id" = c."server_type_id" AND t."transport" ->> 'type' NOT IN ('stdio', 'stdio_from_options')
        `);
    await queryRunner.query(`
            CREATE INDEX "connections_next_check_idx" ON "connections" ("next_check_at")
             WHERE "health_check_interval" > 0 AND "is_active" AND "deleted_at" IS NULL
        `);
    await queryRunner.query(`
            CREATE TABLE "connection_checks" (
                "id" uuid NOT NULL,
                "connection_id" uuid NOT NULL,
                "trigger" text NOT NULL,
                "reason" text,
                "latency_ms" integer,
                "checked_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                CONSTRAINT "connection_checks_pkey" PRIMARY KEY ("id"),
                CONSTRAINT "connection_checks_connection_fkey" FOREIGN KEY ("connection_id")
                  REFERENCES "connections"("id") ON DELETE CASCADE
            )
        `);
    await queryRunner.query(
      `CREATE INDEX "connection_checks_connection_idx" ON "connection_checks" ("connection_id", "id")`,
    );
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "connection_checks"`);
    await queryRunner.query(`DROP INDEX "connections_next_check_idx"`);
    await queryRunner.query(`
            ALTER TABLE "connections" DROP COLUMN "failed_checks", DROP COLUMN "next_check_at", DROP COLUMN "health_check_interval"
        `);
  }
}
