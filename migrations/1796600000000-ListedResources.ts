import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What else servers say of a resource in their lists, for agents, who are shown all of it. */
export class ListedResources1796600000000 implements MigrationInterface {
  name = 'ListedResources1796600000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "resources" ADD "listed" json NOT NULL DEFAULT '{}'`);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "resources" DROP COLUMN "listed"`);
  }
}
