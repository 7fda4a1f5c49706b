import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a server type declares for policy: scopes, verified effects, resources that its servers do not list. */
export class Scopes1795380000000 implements MigrationInterface {
  name = 'Scopes1795380000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            ALTER TABLE "server_types"
            ADD "scopes" json NOT NULL DEFAULT '[]',
            ADD "tool_effects" json NOT NULL DEFAULT '{}',
            ADD "declared_resources" json NOT NULL DEFAULT '[]'
        `);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            ALTER TABLE "server_types" DROP COLUMN "declared_resources",
            DROP COLUMN "tool_effects",
            DROP COLUMN "scopes"
        `);
  }
}
