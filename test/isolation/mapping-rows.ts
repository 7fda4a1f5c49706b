import type { Rows, Values } from './cells.js';
import { body, cursor, filter, ID, path } from './ids.js';
import { who } from './identity-rows.js';
import { deliveryOf, made, mappingBody, type Role, type Side, type World } from './world.js';

const MAPPINGS = 'api/v1/mcp/mappings';
const IN_WORKSPACE: readonly Role[] = ['owner', 'admin', 'manager', 'worker', 'agent'];

const everybody = who(200, 200, 200, 200, 200, 200);
const see = who(404, 200, 404, 200, 200, 200);
const edit = (success: number): Record<Role, number> => who(404, success, 404, success, 403, 403);
const mapping = path('id', ID.mapping);

/** Beside the one with history, in the workspace. */
async function newMapping({ actors, grant, listing }: Side, unique: string): Promise<Values> {
  const created = await made(actors.owner.post(`/${MAPPINGS}/`, mappingBody(grant, listing, unique)));
  return { id: created.id as number };
}

async function newItem(side: Side, unique: string): Promise<Values> {
  const values = await newMapping(side, unique);
  await made(side.actors.owner.post(`/${MAPPINGS}/${String(values.id)}/sync/`));
  return values;
}

async function newHook(side: Side, unique: string): Promise<Values> {
  const values = await newMapping(side, unique);
  await made(side.actors.owner.put(`/${MAPPINGS}/${String(values.id)}/webhook/`, { url: side.receiver.url }));
  return values;
}

/** One that was given up. */
async function newDelivery(side: Side, unique: string, { app }: World): Promise<Values> {
  const { id } = await newHook(side, unique);
  return { id: id ?? 0, delivery: await deliveryOf(app, Number(id)) };
}

export const MAPPING_ROWS: Rows = {
  'POST /api/v1/mcp/ws-tickets': [{ ids: [], answers: who(201, 201, 201, 201, 201, 201) }],
  [`GET /${MAPPINGS}`]: [
    {
      ids: [filter('workspace_access', ID.grant), filter('resource', ID.mapped), cursor(ID.mapping)],
      answers: everybody,
      rowsFor: IN_WORKSPACE,
    },
  ],
  [`POST /${MAPPINGS}`]: [
    {
      ids: [body('workspace_access', ID.grant), body('resource', ID.resource)],
      answers: edit(201),
      rest: (_side, unique) => ({
        component_type: 'agent',
        component_id: unique,
        mapping_config: { field_mappings: { id: '{{context.id}}' } },
      }),
    },
  ],
  [`GET /${MAPPINGS}/:id`]: [{ ids: [mapping], answers: see }],
  [`PATCH /${MAPPINGS}/:id`]: [
    { ids: [mapping], answers: edit(200), rest: () => ({ is_active: true }), fresh: newMapping },
  ],
  [`DELETE /${MAPPINGS}/:id`]: [{ ids: [mapping], answers: edit(204), fresh: newMapping }],
  [`GET /${MAPPINGS}/:id/items`]: [{ ids: [mapping, cursor(ID.mapping)], answers: see, rowsFor: IN_WORKSPACE }],
  [`POST /${MAPPINGS}/:id/items/:external/push`]: [
    { ids: [mapping, path('external', ID.item)], answers: edit(200), rest: () => ({ data: {} }), fresh: newItem },
  ],
  [`GET /${MAPPINGS}/:id/webhook`]: [{ ids: [mapping], answers: see }],
  [`PUT /${MAPPINGS}/:id/webhook`]: [
    { ids: [mapping], answers: edit(200), rest: ({ upstream }) => ({ url: upstream.url }), fresh: newMapping },
  ],
  [`DELETE /${MAPPINGS}/:id/webhook`]: [{ ids: [mapping], answers: edit(204), fresh: newHook }],
  [`GET /${MAPPINGS}/:id/deliveries`]: [{ ids: [mapping, cursor(ID.delivery)], answers: see, rowsFor: IN_WORKSPACE }],
  [`POST /${MAPPINGS}/:id/deliveries/:delivery/resend`]: [
    { ids: [mapping, path('delivery', ID.delivery)], answers: edit(200), fresh: newDelivery },
  ],
  [`POST /${MAPPINGS}/:id/preview`]: [{ ids: [mapping], answers: edit(200) }],
  [`POST /${MAPPINGS}/:id/sync`]: [{ ids: [mapping], answers: edit(200), fresh: newMapping }],
  [`GET /${MAPPINGS}/:id/syncs`]: [{ ids: [mapping, cursor(ID.sync)], answers: see, rowsFor: IN_WORKSPACE }],
  [`GET /${MAPPINGS}/:id/syncs/:sync`]: [{ ids: [mapping, path('sync', ID.sync)], answers: see }],
};
