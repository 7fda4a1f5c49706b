import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Notes9000000000000 implements MigrationInterface {
  name = 'Notes9000000000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE "notes" (
        "id" uuid NOT NULL,
        "connection_id" uuid NOT NULL,
        "text" text NOT NULL,
        CONSTRAINT "notes_pkey" PRIMARY KEY ("id"),
        CONSTRAINT "notes_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "connections" ("id") ON DELETE CASCADE
      )
    `);
    await queryRunner.query('CREATE INDEX "notes_connection_idx" ON "notes" ("connection_id", "id")');
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE "notes"');
  }
}
