import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which connection a URI means in a workspace to which several offer it. */
export class UriKeepers1796500000000 implements MigrationInterface {
  name = 'UriKeepers1796500000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "uri_keepers" (
                "workspace_id" uuid NOT NULL,
                "organization_id" uuid NOT NULL,
                "uri" text NOT NULL,
                "connection_id" uuid NOT NULL,
                CONSTRAINT "uri_keepers_workspace_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE
            )
        `);
    // A URI may be longer than what fits into an index.
    await queryRunner.query(`CREATE UNIQUE INDEX "uri_keepers_key" ON "uri_keepers" ("workspace_id", md5("uri"))`);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "uri_keepers"`);
  }
}
