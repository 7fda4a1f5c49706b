import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What live events are made from: which discovery changed a resource, and tickets of WebSockets. */
export class Realtime1796200000000 implements MigrationInterface {
  name = 'Realtime1796200000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "resources" ADD "changed_in" uuid`);
    await queryRunner.query(`
            CREATE TABLE "ws_tickets" (
                "digest" text NOT NULL,
                "sealed_token" text NOT NULL,
                "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
                CONSTRAINT "ws_tickets_pkey" PRIMARY KEY ("digest")
            )
        `);
    await queryRunner.query(`CREATE INDEX "ws_tickets_expires_idx" ON "ws_tickets" ("expires_at")`);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "ws_tickets"`);
    await queryRunner.query(`ALTER TABLE "resources" DROP COLUMN "changed_in"`);
  }
}
