import { v7 as uuidv7 } from 'uuid';
import type { Transaction } from '../../platform/database/transaction.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { storableJson } from '../../platform/json/canonical-json.js';

/** One delivery; the row of it says what and how often it was tried. */
export const MAPPING_DELIVERY_JOB = 'mapping_delivery';

const MOST_IN_A_BATCH = 100;

interface Target {
  component_type: string;
  component_id: string;
}

/** What happened to the items of a mapping. */
export interface ItemChanges {
  mappingId: number;
  syncId: string | null;
  upserted: readonly { external_id: string; data: Record<string, unknown> | null }[];
  /** External ids. */
  deleted: readonly string[];
}

/**
 * Writes down what its webhook has to be told, if the mapping has one: in the transaction of the change, so that nothing is told
 * that did not happen and nothing that happened is forgotten.
 */
export async function enqueueDeliveries(transaction: Transaction, changes: ItemChanges): Promise<void> {
  const { mappingId, syncId, upserted, deleted } = changes;
  if (upserted.length + deleted.length === 0) return;
  const [found] = await transaction.manager.query<(Target & { organization_id: string })[]>(
    `SELECT m.organization_id, m.component_type, m.component_id FROM mappings m JOIN mapping_webhooks w ON w.mapping_id = m.id WHERE m.id = $1`,
    [mappingId],
  );
  if (!found) return;
  const { organization_id: organizationId, ...target } = found;
  const batches = Math.ceil(Math.max(upserted.length, deleted.length) / MOST_IN_A_BATCH);
  for (let batch = 0; batch < batches; batch++) {
    const [from, to] = [batch * MOST_IN_A_BATCH, (batch + 1) * MOST_IN_A_BATCH];
    const payload = {
      type: 'mapping.items_changed',
      timestamp: new Date().toISOString(),
      data: {
        mapping: mappingId,
        ...target,
        sync_id: syncId,
        upserted: upserted.slice(from, to),
        deleted: deleted.slice(from, to),
      },
    };
    const id = uuidv7();
    await transaction.manager.query('INSERT INTO mapping_deliveries (id, mapping_id, payload) VALUES ($1, $2, $3)', [
      id,
      mappingId,
      storableJson(payload),
    ]);
    await enqueueDelivery(transaction, { id, organizationId, mappingId });
  }
}

/** @param runAt not before; at once where left out */
export async function enqueueDelivery(
  transaction: Transaction,
  { id, organizationId, mappingId }: { id: string; organizationId: string; mappingId: number },
  runAt?: Date,
): Promise<void> {
  // Two at once for an organization, so that a receiver that never answers keeps nobody else waiting.
  const queue = `${MAPPING_DELIVERY_JOB}:${organizationId}:${mappingId % 2}`;
  const order = { key: `${MAPPING_DELIVERY_JOB}:${id}`, queue, ...(runAt ? { runAt } : {}) };
  await enqueueJob(transaction, MAPPING_DELIVERY_JOB, { delivery_id: id }, order);
}
