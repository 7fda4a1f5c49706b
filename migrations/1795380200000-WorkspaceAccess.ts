import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tokens of workspaces, and what a workspace may use of a connection. */
export class WorkspaceAccess1795380200000 implements MigrationInterface {
  name = 'WorkspaceAccess1795380200000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "workspace_tokens" (
                "id" uuid NOT NULL,
                "workspace_id" uuid NOT NULL,
                "name" text NOT NULL,
                "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
                "last_used" TIMESTAMP WITH TIME ZONE,
                "revoked_at" TIMESTAMP WITH TIME ZONE,
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "created_by" uuid,
                CONSTRAINT "workspace_tokens_pkey" PRIMARY KEY ("id")
            )
        `);
    await queryRunner.query(`
            CREATE INDEX "workspace_tokens_workspace_idx" ON "workspace_tokens" ("workspace_id", "id")
        `);
    await queryRunner.query(`
            CREATE TABLE "workspace_access" (
                "id" integer GENERATED ALWAYS AS IDENTITY NOT NULL,
                "organization_id" uuid NOT NULL,
                "workspace_id" uuid NOT NULL,
                "connection_id" uuid NOT NULL,
                "access_name" text NOT NULL,
                "description" text NOT NULL DEFAULT '',
                "resource_filters" json NOT NULL DEFAULT '{}',
                "permission_level" text NOT NULL DEFAULT 'read',
                "is_active" boolean NOT NULL DEFAULT true,
                "auto_sync" boolean NOT NULL DEFAULT true,
                "last_used" TIMESTAMP WITH TIME ZONE,
                "usage_count" integer NOT NULL DEFAULT '0',
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "created_by" uuid,
                "deleted_at" TIMESTAMP WITH TIME ZONE,
                CONSTRAINT "workspace_access_pkey" PRIMARY KEY ("id")
            )
        `);
    await queryRunner.query(`
            CREATE INDEX "workspace_access_organization_idx" ON "workspace_access" ("organization_id", "id")
        `);
    await queryRunner.query(`
            CREATE INDEX "workspace_access_workspace_idx" ON "workspace_access" ("workspace_id", "connection_id")
        `);
    await queryRunner.query(`
            CREATE INDEX "workspace_access_connection_idx" ON "workspace_access" ("connection_id")
        `);
    await queryRunner.query(`
            CREATE TABLE "workspace_access_resources" (
                "workspace_access_id" integer NOT NULL,
                "resource_id" integer NOT NULL,
                "state" text NOT NULL,
                CONSTRAINT "workspace_access_resources_pkey" PRIMARY KEY ("workspace_access_id", "resource_id")
            )
        `);
    await queryRunner.query(`
            CREATE INDEX "workspace_access_resources_resource_idx" ON "workspace_access_resources" ("resource_id")
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_tokens"
            ADD CONSTRAINT "workspace_tokens_workspace_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_tokens"
            ADD CONSTRAINT "workspace_tokens_created_by_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE
            SET NULL ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_access"
            ADD CONSTRAINT "workspace_access_workspace_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_access"
            ADD CONSTRAINT "workspace_access_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "connections"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_access"
            ADD CONSTRAINT "workspace_access_created_by_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE
            SET NULL ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_access_resources"
            ADD CONSTRAINT "workspace_access_resources_access_fkey" FOREIGN KEY ("workspace_access_id") REFERENCES "workspace_access"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "workspace_access_resources"
            ADD CONSTRAINT "workspace_access_resources_resource_fkey" FOREIGN KEY ("resource_id") REFERENCES "resources"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    // Names are unique among the living, whatever their case.
    await queryRunner.query(`
            CREATE UNIQUE INDEX "workspace_access_name_key" ON "workspace_access" ("workspace_id", "connection_id", lower("access_name")) WHERE "deleted_at" IS NULL
        `);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "workspace_access_resources"`);
    await queryRunner.query(`DROP TABLE "workspace_access"`);
    await queryRunner.query(`DROP TABLE "workspace_tokens"`);
  }
}
