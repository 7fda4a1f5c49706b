import type { MigrationInterface, QueryRunner } from 'typeorm';

const FUNCTIONS = [
  'ledger_open(json, json, json)',
  'ledger_close(uuid[], text[], bigint[], timestamptz[], text[], bigint[], bigint[], numeric[], json, json, json, json, json, json)',
];

/**
 * The ledger knows its rows by their keys. It plans its statements once a connection, when `open_calls` is a page or two, and
 * would read the whole of it ever after: with what is dead in it, a call in a busy minute cost ten times one in a quiet one.
 */
export class LedgerPlans1796800000000 implements MigrationInterface {
  name = 'LedgerPlans1796800000000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    for (const name of FUNCTIONS) await queryRunner.query(`ALTER FUNCTION ${name} SET enable_seqscan = off`);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    for (const name of FUNCTIONS) await queryRunner.query(`ALTER FUNCTION ${name} RESET enable_seqscan`);
  }
}
