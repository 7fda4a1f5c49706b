import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where the verified effects of a server type were read from; null where nobody but its author vouches for them. */
export class EffectsSource1796000000000 implements MigrationInterface {
  name = 'EffectsSource1796000000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "server_types" ADD "effects_source" json`);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "server_types" DROP COLUMN "effects_source"`);
  }
}
