import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Records of resources in the shape that components need, and the syncs that bring them. */
export class Mappings1796100000000 implements MigrationInterface {
  name = 'Mappings1796100000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "mappings" (
                "id" integer GENERATED ALWAYS AS IDENTITY NOT NULL,
                "organization_id" uuid NOT NULL,
                "workspace_access_id" integer NOT NULL,
                "resource_id" integer NOT NULL,
                "component_type" text NOT NULL,
                "component_id" text NOT NULL,
                "config" json NOT NULL,
                "version" integer NOT NULL DEFAULT '1',
                "sync_frequency" integer NOT NULL DEFAULT '0',
                "is_active" boolean NOT NULL DEFAULT true,
                "checkpoint" text,
                "completed_at" TIMESTAMP WITH TIME ZONE,
                "last_synced" TIMESTAMP WITH TIME ZONE,
                "failures" integer NOT NULL DEFAULT '0',
                "next_sync_at" TIMESTAMP WITH TIME ZONE,
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "created_by" uuid,
                CONSTRAINT "mappings_pkey" PRIMARY KEY ("id"),
                CONSTRAINT "mappings_access_fkey" FOREIGN KEY ("workspace_access_id") REFERENCES "workspace_access"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
                CONSTRAINT "mappings_resource_fkey" FOREIGN KEY ("resource_id") REFERENCES "resources"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
                CONSTRAINT "mappings_created_by_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE NO ACTION
            )
        `);
    await queryRunner.query(`
            CREATE UNIQUE INDEX "mappings_component_key" ON "mappings" ("workspace_access_id", "resource_id", "component_type", "component_id")
        `);
    await queryRunner.query(`CREATE INDEX "mappings_organization_idx" ON "mappings" ("organization_id", "id")`);
    await queryRunner.query(`CREATE INDEX "mappings_resource_idx" ON "mappings" ("resource_id")`);
    await queryRunner.query(
      `CREATE INDEX "mappings_due_idx" ON "mappings" ("next_sync_at") WHERE "next_sync_at" IS NOT NULL`,
    );
    await queryRunner.query(`
            CREATE TABLE "mapping_items" (
                "id" integer GENERATED ALWAYS AS IDENTITY NOT NULL,
                "mapping_id" integer NOT NULL,
                "external_id" text NOT NULL,
                "status" text NOT NULL,
                "rendered" json,
                "error" text,
                "source" json,
                "content_hash" bytea NOT NULL,
                "pushed_until" TIMESTAMP WITH TIME ZONE,
                "synced_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                CONSTRAINT "mapping_items_pkey" PRIMARY KEY ("id"),
                CONSTRAINT "mapping_items_mapping_fkey" FOREIGN KEY ("mapping_id") REFERENCES "mappings"("id") ON DELETE CASCADE ON UPDATE NO ACTION
            )
        `);
    await queryRunner.query(
      `CREATE UNIQUE INDEX "mapping_items_external_key" ON "mapping_items" ("mapping_id", "external_id")`,
    );
    await queryRunner.query(`CREATE INDEX "mapping_items_mapping_idx" ON "mapping_items" ("mapping_id", "id")`);
    await queryRunner.query(`
            CREATE TABLE "mapping_syncs" (
                "id" uuid NOT NULL,
                "mapping_id" integer NOT NULL,
                "status" text NOT NULL DEFAULT 'queued',
                "trigger" text NOT NULL,
                "mode" text,
                "reads_all" boolean NOT NULL DEFAULT false,
                "may_delete" boolean NOT NULL DEFAULT false,
                "process_id" uuid,
                "run_id" uuid,
                "attempts" integer NOT NULL DEFAULT '0',
                "items_synced" integer NOT NULL DEFAULT '0',
                "items_written" integer NOT NULL DEFAULT '0',
                "items_failed" integer NOT NULL DEFAULT '0',
                "items_deleted" integer NOT NULL DEFAULT '0',
                "failures" json NOT NULL DEFAULT '[]',
                "problem" json,
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "started_at" TIMESTAMP WITH TIME ZONE,
                "finished_at" TIMESTAMP WITH TIME ZONE,
                CONSTRAINT "mapping_syncs_pkey" PRIMARY KEY ("id"),
                CONSTRAINT "mapping_syncs_mapping_fkey" FOREIGN KEY ("mapping_id") REFERENCES "mappings"("id") ON DELETE CASCADE ON UPDATE NO ACTION
            )
        `);
    await queryRunner.query(`CREATE INDEX "mapping_syncs_mapping_idx" ON "mapping_syncs" ("mapping_id", "id")`);
    // One at a time.
    await queryRunner.query(
      `CREATE UNIQUE INDEX "mapping_syncs_running_key" ON "mapping_syncs" ("mapping_id") WHERE "status" IN ('queued', 'running')`,
    );
    await queryRunner.query(`
            CREATE TABLE "mapping_sync_items" (
                "sync_id" uuid NOT NULL,
                "external_id" text NOT NULL,
                "status" text NOT NULL,
                CONSTRAINT "mapping_sync_items_pkey" PRIMARY KEY ("sync_id", "external_id"),
                CONSTRAINT "mapping_sync_items_sync_fkey" FOREIGN KEY ("sync_id") REFERENCES "mapping_syncs"("id") ON DELETE CASCADE ON UPDATE NO ACTION
            )
        `);
    await this.createDelivery(queryRunner);
  }

  private async createDelivery(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "mapping_webhooks" (
                "mapping_id" integer NOT NULL,
                "organization_id" uuid NOT NULL,
                "url" text NOT NULL,
                "sealed_secret" text NOT NULL,
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                CONSTRAINT "mapping_webhooks_pkey" PRIMARY KEY ("mapping_id"),
                CONSTRAINT "mapping_webhooks_mapping_fkey" FOREIGN KEY ("mapping_id") REFERENCES "mappings"("id") ON DELETE CASCADE ON UPDATE NO ACTION
            )
        `);
    await queryRunner.query(`
            CREATE TABLE "mapping_deliveries" (
                "id" uuid NOT NULL,
                "mapping_id" integer NOT NULL,
                "payload" json NOT NULL,
                "status" text NOT NULL DEFAULT 'pending',
                "attempts" integer NOT NULL DEFAULT '0',
                "last_status" integer,
                "last_error" text,
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "delivered_at" TIMESTAMP WITH TIME ZONE,
                CONSTRAINT "mapping_deliveries_pkey" PRIMARY KEY ("id"),
                CONSTRAINT "mapping_deliveries_mapping_fkey" FOREIGN KEY ("mapping_id") REFERENCES "mappings"("id") ON DELETE CASCADE ON UPDATE NO ACTION
            )
        `);
    await queryRunner.query(
      `CREATE INDEX "mapping_deliveries_mapping_idx" ON "mapping_deliveries" ("mapping_id", "id")`,
    );
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of [
      'mapping_deliveries',
      'mapping_webhooks',
      'mapping_sync_items',
      'mapping_syncs',
      'mapping_items',
      'mappings',
    ])
      await queryRunner.query(`DROP TABLE "${table}"`);
  }
}
