import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The audit trail: what was changed by whom, chained by hashes, and heads of the chains. */
export class Audit1795390100000 implements MigrationInterface {
  name = 'Audit1795390100000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    // History: plain ids, no foreign keys, and nothing that could take it along when it is deleted.
    await queryRunner.query(`
            CREATE TABLE "audit_records" (
                "id" uuid NOT NULL,
                "organization_id" uuid,
                "seq" bigint NOT NULL,
                "hash" bytea NOT NULL,
                "recorded_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL,
                "user_id" uuid,
                "token_id" uuid,
                "actor_name" text NOT NULL,
                "action" text NOT NULL,
                "object_type" text NOT NULL,
                "object_id" text NOT NULL,
                "before" json,
                "after" json,
                "address" text,
                "request_id" text,
                CONSTRAINT "audit_records_pkey" PRIMARY KEY ("id")
            )
        `);
    await queryRunner.query(`
            CREATE INDEX "audit_records_organization_idx" ON "audit_records" ("organization_id", "id")
        `);
    await queryRunner.query(`
            CREATE INDEX "audit_records_actor_idx" ON "audit_records" (COALESCE("token_id", "user_id"), "id")
        `);
    await queryRunner.query(`
            CREATE INDEX "audit_records_object_idx" ON "audit_records" ("object_type", "object_id", "id")
        `);
    await queryRunner.query(`
            CREATE INDEX "audit_records_request_idx" ON "audit_records" ("request_id", "id")
        `);
    // The installation itself has a chain too, of the organization that is none.
    await queryRunner.query(`
            CREATE UNIQUE INDEX "audit_records_chain_key" ON "audit_records"
              (COALESCE("organization_id", '00000000-0000-0000-0000-000000000000'::uuid), "seq")
        `);
    await queryRunner.query(`
            CREATE TABLE "audit_heads" (
                "organization_id" uuid NOT NULL,
                "trail" text NOT NULL,
                "seq" bigint NOT NULL,
                "hash" bytea NOT NULL,
                CONSTRAINT "audit_heads_pkey" PRIMARY KEY ("organization_id", "trail")
            ) WITH (fillfactor = 50)
        `);
    // Heads as they were signed: from_seq is set where they stand for links that retention has removed.
    await queryRunner.query(`
            CREATE TABLE "audit_signed_heads" (
                "organization_id" uuid NOT NULL,
                "trail" text NOT NULL,
                "from_seq" bigint,
                "seq" bigint NOT NULL,
                "signed_head" text NOT NULL,
                "signed_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now()
            )
        `);
    await queryRunner.query(`
            CREATE INDEX "audit_signed_heads_chain_idx" ON "audit_signed_heads" ("organization_id", "trail", "seq")
        `);
    // One link: the hash of the one before, the number of this one, and the digest of what it is for.
    await queryRunner.query(`
            CREATE FUNCTION audit_advance(p_organization uuid, p_trail text, p_digest bytea, OUT seq bigint, OUT hash bytea)
            LANGUAGE plpgsql AS $$
            BEGIN
              INSERT INTO audit_heads AS h (organization_id, trail, seq, hash)
              VALUES (COALESCE(p_organization, '00000000-0000-0000-0000-000000000000'), p_trail, 1,
                      sha256(decode(repeat('00', 32), 'hex') || int8send(1) || p_digest))
              ON CONFLICT (organization_id, trail) DO UPDATE
                SET seq = h.seq + 1, hash = sha256(h.hash || int8send(h.seq + 1) || p_digest)
              RETURNING h.seq, h.hash INTO audit_advance.seq, audit_advance.hash;
            END $$
        `);
    await queryRunner.query(`
            CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              RAISE EXCEPTION '% of % is refused: it is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
            END $$
        `);
    for (const table of ['audit_records', 'audit_signed_heads']) {
      await queryRunner.query(`
            CREATE TRIGGER "${table}_append_only" BEFORE UPDATE OR DELETE ON "${table}"
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
        `);
      await queryRunner.query(`
            CREATE TRIGGER "${table}_no_truncate" BEFORE TRUNCATE ON "${table}"
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        `);
    }
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "audit_signed_heads"`);
    await queryRunner.query(`DROP TABLE "audit_records"`);
    await queryRunner.query(`DROP FUNCTION refuse_change()`);
    await queryRunner.query(`DROP FUNCTION audit_advance(uuid, text, bytea)`);
    await queryRunner.query(`DROP TABLE "audit_heads"`);
  }
}
