import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One index tells rows apart and reads an organization's in order. A key of the id alone is in the order of the lists as well: for
 * an organization that has few rows among some that have many, PostgreSQL read everybody's along it.
 */
export class OrganizationOrder1796700000000 implements MigrationInterface {
  name = 'OrganizationOrder1796700000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "audit_records" DROP CONSTRAINT "audit_records_pkey"`);
    await queryRunner.query(`DROP INDEX "audit_records_organization_idx"`);
    await queryRunner.query(`
            CREATE UNIQUE INDEX "audit_records_key" ON "audit_records" ("organization_id", "id") NULLS NOT DISTINCT
        `);
    await queryRunner.query(`ALTER TABLE "usage_records" DROP CONSTRAINT "usage_records_pkey"`);
    await queryRunner.query(`DROP INDEX "usage_records_organization_idx"`);
    await queryRunner.query(`
            ALTER TABLE "usage_records" ADD CONSTRAINT "usage_records_pkey" PRIMARY KEY ("organization_id", "id")
        `);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "usage_records" DROP CONSTRAINT "usage_records_pkey"`);
    await queryRunner.query(`ALTER TABLE "usage_records" ADD CONSTRAINT "usage_records_pkey" PRIMARY KEY ("id")`);
    await queryRunner.query(
      `CREATE INDEX "usage_records_organization_idx" ON "usage_records" ("organization_id", "id")`,
    );
    await queryRunner.query(`DROP INDEX "audit_records_key"`);
    await queryRunner.query(
      `CREATE INDEX "audit_records_organization_idx" ON "audit_records" ("organization_id", "id")`,
    );
    await queryRunner.query(`ALTER TABLE "audit_records" ADD CONSTRAINT "audit_records_pkey" PRIMARY KEY ("id")`);
  }
}
