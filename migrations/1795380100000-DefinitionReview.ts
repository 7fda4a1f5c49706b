import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Definitions get a table of their own, since prompts and instructions are reviewed as tools are. The columns that they
 * leave are dropped at once and not a release later: none was released yet.
 */
export class DefinitionReview1795380100000 implements MigrationInterface {
  name = 'DefinitionReview1795380100000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            ALTER TABLE "connections"
            ADD "tool_review" text NOT NULL DEFAULT 'review',
                ADD "trust_annotations" boolean NOT NULL DEFAULT false
        `);
    await queryRunner.query(`
            CREATE TABLE "definitions" (
                "id" integer GENERATED ALWAYS AS IDENTITY NOT NULL,
                "connection_id" uuid NOT NULL,
                "organization_id" uuid NOT NULL,
                "kind" text NOT NULL,
                "resource_id" integer,
                "name" text NOT NULL,
                "latest" json,
                "approved" json,
                "status" text NOT NULL,
                "compatible" boolean NOT NULL DEFAULT false,
                "changed_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "decided_at" TIMESTAMP WITH TIME ZONE,
                "decided_by" uuid,
                CONSTRAINT "definitions_pkey" PRIMARY KEY ("id")
            )
        `);
    await queryRunner.query(`
            INSERT INTO "definitions" ("connection_id", "organization_id", "kind", "resource_id", "name", "latest", "approved", "status", "compatible")
            SELECT "connection_id", "organization_id", 'tool', "resource_id", "name", "definition", "approved_definition",
                   CASE WHEN "definition"::jsonb = "approved_definition"::jsonb THEN 'approved' ELSE 'pending' END,
                   COALESCE("definition"::jsonb = "approved_definition"::jsonb, false)
            FROM "tools" ORDER BY "resource_id"
        `);
    await queryRunner.query(`
            CREATE INDEX "definitions_resource_idx" ON "definitions" ("resource_id")
        `);
    await queryRunner.query(`
            CREATE INDEX "definitions_connection_idx" ON "definitions" ("connection_id")
        `);
    await queryRunner.query(`
            CREATE INDEX "definitions_organization_idx" ON "definitions" ("organization_id", "id")
        `);
    await queryRunner.query(`
            CREATE UNIQUE INDEX "definitions_name_key" ON "definitions" ("connection_id", "kind", "name")
        `);
    await queryRunner.query(`
            ALTER TABLE "definitions"
            ADD CONSTRAINT "definitions_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "connections"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "definitions"
            ADD CONSTRAINT "definitions_resource_fkey" FOREIGN KEY ("resource_id") REFERENCES "resources"("id") ON DELETE CASCADE ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "definitions"
            ADD CONSTRAINT "definitions_decided_by_fkey" FOREIGN KEY ("decided_by") REFERENCES "users"("id") ON DELETE
            SET NULL ON UPDATE NO ACTION
        `);
    await queryRunner.query(`
            ALTER TABLE "tools"
            ADD "effect_override" text
        `);
    // What was believed of the annotations so far becomes what they claim.
    await queryRunner.query(`
            UPDATE "tools" SET "effect" = CASE
                WHEN "definition"->'annotations'->>'destructiveHint' = 'true' OR "approved_definition"->'annotations'->>'destructiveHint' = 'true' THEN 'destructive'
                WHEN "definition"->'annotations'->>'readOnlyHint' = 'true'
                    AND COALESCE("approved_definition", "definition")->'annotations'->>'readOnlyHint' = 'true' THEN 'read'
                ELSE 'write' END
        `);
    await queryRunner.query(`
            ALTER TABLE "tools" DROP COLUMN "definition",
                DROP COLUMN "approved_definition"
        `);
    await queryRunner.query(`
            ALTER TABLE "discovery_runs"
            ADD "baseline_kinds" text array NOT NULL DEFAULT '{}'
        `);
    // Of prompts and instructions nothing was kept: their next discovery is their baseline.
    await queryRunner.query(`
            UPDATE "discovery_runs" SET "baseline_kinds" = '{tool}' WHERE "id" IN (
                SELECT DISTINCT ON ("connection_id") "id" FROM "discovery_runs" WHERE "complete" ORDER BY "connection_id", "id"
            )
        `);
    await queryRunner.query(`
            ALTER TABLE "discovery_runs" DROP COLUMN "complete"
        `);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            ALTER TABLE "discovery_runs"
            ADD "complete" boolean NOT NULL DEFAULT false
        `);
    await queryRunner.query(`
            UPDATE "discovery_runs" SET "complete" = 'tool' = ANY("baseline_kinds")
        `);
    await queryRunner.query(`
            ALTER TABLE "discovery_runs" DROP COLUMN "baseline_kinds"
        `);
    await queryRunner.query(`
            ALTER TABLE "tools"
            ADD "definition" json,
                ADD "approved_definition" json
        `);
    await queryRunner.query(`
            UPDATE "tools" t SET "definition" = d."latest", "approved_definition" = d."approved"
            FROM "definitions" d WHERE d."kind" = 'tool' AND d."resource_id" = t."resource_id"
        `);
    await queryRunner.query(`
            ALTER TABLE "tools" ALTER COLUMN "definition" SET NOT NULL
        `);
    // A claim to be harmless was believed where the type is trusted; a tombstone has no type any more.
    await queryRunner.query(`
            UPDATE "tools" t SET "effect" = CASE
                WHEN t."definition"->'annotations'->>'readOnlyHint' = 'true' THEN CASE WHEN s."trust_annotations" THEN 'read' ELSE 'write' END
                WHEN t."definition"->'annotations'->>'destructiveHint' = 'true' THEN 'destructive'
                ELSE 'write' END
            FROM "connections" c LEFT JOIN "server_types" s ON s."id" = c."server_type_id" WHERE c."id" = t."connection_id"
        `);
    await queryRunner.query(`
            ALTER TABLE "tools" DROP COLUMN "effect_override"
        `);
    await queryRunner.query(`
            ALTER TABLE "definitions" DROP CONSTRAINT "definitions_decided_by_fkey"
        `);
    await queryRunner.query(`
            ALTER TABLE "definitions" DROP CONSTRAINT "definitions_resource_fkey"
        `);
    await queryRunner.query(`
            ALTER TABLE "definitions" DROP CONSTRAINT "definitions_connection_fkey"
        `);
    await queryRunner.query(`
            DROP INDEX "public"."definitions_name_key"
        `);
    await queryRunner.query(`
            DROP INDEX "public"."definitions_organization_idx"
        `);
    await queryRunner.query(`
            DROP INDEX "public"."definitions_connection_idx"
        `);
    await queryRunner.query(`
            DROP INDEX "public"."definitions_resource_idx"
        `);
    await queryRunner.query(`
            DROP TABLE "definitions"
        `);
    await queryRunner.query(`
            ALTER TABLE "connections" DROP COLUMN "trust_annotations",
                DROP COLUMN "tool_review"
        `);
  }
}
