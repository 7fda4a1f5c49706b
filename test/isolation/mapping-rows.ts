import type { Rows, Values } from './cells.js';
import { body, cursor, filter, ID, path } from './ids.js';
import { who } from './identity-rows.js';
import { made, mappingBody, type Role, type Side } from './world.js';

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

export const MAPPING_ROWS: Rows = {
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
  [`POST /${MAPPINGS}/:id/preview`]: [{ ids: [mapping], answers: edit(200) }],
  [`POST /${MAPPINGS}/:id/sync`]: [{ ids: [mapping], answers: edit(200), fresh: newMapping }],
  [`GET /${MAPPINGS}/:id/syncs`]: [{ ids: [mapping, cursor(ID.sync)], answers: see, rowsFor: IN_WORKSPACE }],
  [`GET /${MAPPINGS}/:id/syncs/:sync`]: [{ ids: [mapping, path('sync', ID.sync)], answers: see }],
};
