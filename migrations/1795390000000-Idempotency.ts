import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which processes are alive, and the idempotency keys of clients with the answers that they get again. */
export class Idempotency1795390000000 implements MigrationInterface {
  name = 'Idempotency1795390000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await this.createLeases(queryRunner);
    await this.createKeys(queryRunner);
  }

  private async createLeases(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "process_leases" (
                "id" uuid NOT NULL,
                "held_until" TIMESTAMP WITH TIME ZONE NOT NULL,
                "started_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                CONSTRAINT "process_leases_pkey" PRIMARY KEY ("id")
            ) WITH (fillfactor = 50)
        `);
    await queryRunner.query(`
            CREATE FUNCTION process_is_alive(p_process uuid) RETURNS boolean LANGUAGE sql STABLE AS
            $$ SELECT EXISTS (SELECT FROM process_leases WHERE id = p_process AND held_until > now()) $$
        `);
    // After a pause of the database or a jump of its clock every lease looks expired. Who judges has renewed its own within
    // the last 9 of 15 s, and everybody renews every 3 s: then no living process can look dead to it.
    await queryRunner.query(`
            CREATE FUNCTION process_is_dead(p_process uuid, p_judge uuid) RETURNS boolean LANGUAGE sql STABLE AS
            $$ SELECT NOT process_is_alive(p_process) AND EXISTS (
                 SELECT FROM process_leases WHERE id = p_judge AND held_until > now() + interval '6 seconds') $$
        `);
  }

  private async createKeys(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "idempotency_keys" (
                "principal" text NOT NULL,
                "key" text NOT NULL,
                "request_hash" text NOT NULL,
                "request_id" text NOT NULL,
                "process_id" uuid NOT NULL,
                "success_status" integer NOT NULL,
                "effect" text,
                "status" integer,
                "answer" text,
                "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("principal", "key"),
                CONSTRAINT "idempotency_keys_finished_check" CHECK (("status" IS NULL) = ("answer" IS NULL))
            ) WITH (fillfactor = 50)
        `);
    await queryRunner.query(`
            CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys" ("created_at")
        `);
    // In the transaction of the effect. False: somebody else has the key by now, or nobody; the effect must not be.
    await queryRunner.query(`
            CREATE FUNCTION idempotency_begin(p_principal text, p_key text, p_request_id text, p_process uuid, p_effect text)
            RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
              UPDATE idempotency_keys SET effect = p_effect
               WHERE principal = p_principal AND key = p_key AND request_id = p_request_id AND process_id = p_process
                 AND answer IS NULL;
              RETURN FOUND;
            END $$
        `);
    // Nothing was done after all: as if it had never been used.
    await queryRunner.query(`
            CREATE FUNCTION idempotency_release(p_principal text, p_key text, p_request_id text, p_process uuid)
            RETURNS void LANGUAGE sql AS $$
              DELETE FROM idempotency_keys
               WHERE principal = p_principal AND key = p_key AND request_id = p_request_id AND process_id = p_process
                 AND answer IS NULL
            $$
        `);
    // No status: that of a success.
    await queryRunner.query(`
            CREATE FUNCTION idempotency_complete(p_principal text, p_key text, p_request_id text, p_process uuid, p_status integer,
                                                 p_answer text)
            RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
              UPDATE idempotency_keys SET status = COALESCE(p_status, success_status), answer = p_answer
               WHERE principal = p_principal AND key = p_key AND request_id = p_request_id AND process_id = p_process
                 AND answer IS NULL;
              RETURN FOUND;
            END $$
        `);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION idempotency_release(text, text, text, uuid)`);
    await queryRunner.query(`DROP FUNCTION idempotency_complete(text, text, text, uuid, integer, text)`);
    await queryRunner.query(`DROP FUNCTION idempotency_begin(text, text, text, uuid, text)`);
    await queryRunner.query(`DROP TABLE "idempotency_keys"`);
    await queryRunner.query(`DROP FUNCTION process_is_dead(uuid, uuid)`);
    await queryRunner.query(`DROP FUNCTION process_is_alive(uuid)`);
    await queryRunner.query(`DROP TABLE "process_leases"`);
  }
}
