import { VERSION } from '../../platform/telemetry/version.js';

const ID = { type: 'string', format: 'uuid' };
const INTEGER = { type: 'integer' };
const TEXT = { type: 'string' };

interface Described {
  summary: string;
  properties: Record<string, unknown>;
  example: Record<string, unknown>;
}

const CONNECTION = '123e4567-e89b-12d3-a456-426614174000';
const RUN = '123e4567-e89b-12d3-a456-426614174777';

/** By `type`. */
const MESSAGES: Record<string, Described> = {
  connection_status: {
    summary: 'Whether the server of the connection can be reached; sent on connect, and when it changes',
    properties: {
      connection_id: ID,
      status: { enum: ['connected', 'disconnected', 'degraded', 'error'] },
      timestamp: { type: 'string', format: 'date-time' },
    },
    example: { connection_id: CONNECTION, status: 'connected', timestamp: '2023-07-14T12:00:00Z' },
  },
  resource_updated: {
    summary: 'A resource was found, has changed or is gone: to those who may see it',
    properties: {
      resource: {
        type: 'object',
        properties: { id: INTEGER, resource_name: TEXT, resource_type: TEXT, is_available: { type: 'boolean' } },
        required: ['id', 'resource_name', 'resource_type', 'is_available'],
      },
    },
    example: { resource: { id: 1, resource_name: 'Project Issues', resource_type: 'issue', is_available: true } },
  },
  tool_changed: {
    summary: 'A definition waits for review or was decided on, or an effect was set; null: any number of them',
    properties: {
      connection_id: ID,
      tool: {
        type: ['object', 'null'],
        properties: { id: TEXT, resource_id: INTEGER },
        required: ['id', 'resource_id'],
      },
    },
    example: { connection_id: CONNECTION, tool: { id: 'acme-jira_get_issue', resource_id: 7 } },
  },
  discovery_progress: {
    summary: 'How far a discovery is: to admins of the organization',
    properties: { connection_id: ID, run_id: ID, stage: { type: ['string', 'null'] }, resources_found: INTEGER },
    example: { connection_id: CONNECTION, run_id: RUN, stage: 'tools/list', resources_found: 120 },
  },
  mapping_synced: {
    summary: 'A sync has ended: to the workspace of its grant, and to admins',
    properties: { mapping_id: INTEGER, sync_id: ID, status: TEXT, items_synced: INTEGER, items_failed: INTEGER },
    example: { mapping_id: 1, sync_id: RUN, status: 'completed', items_synced: 15, items_failed: 0 },
  },
  resync: {
    summary: 'Something may have been missed: read anew what is shown',
    properties: {},
    example: {},
  },
};

/**
 * The WebSocket as AsyncAPI 3.0 describes it.
 * @param publicUrl where clients reach the product
 */
export function asyncApiDocument(publicUrl: string): Record<string, unknown> {
  const { host, protocol } = new URL(publicUrl);
  const names = Object.keys(MESSAGES);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'MCP control plane, live events',
      version: VERSION,
      description:
        'JSON text frames. The token is in the Authorization header, in the subprotocols `mcp.v1, bearer.<token>`, or a single-use ' +
        'ticket of POST /api/v1/mcp/ws-tickets/ in `?ticket=`. Refusals are HTTP answers before the upgrade: 401, 404, 429, 503. ' +
        'Closed with 4401 when the token ends, 4403 when the right to the connection is lost, 1013 for a reader that does not ' +
        'keep up, 1008 for one that sends too much, 1001 when the server stops.',
    },
    servers: { product: { host, protocol: protocol === 'https:' ? 'wss' : 'ws' } },
    defaultContentType: 'application/json',
    channels: {
      connection: {
        address: '/ws/mcp/resources/{connection_id}/',
        parameters: { connection_id: { description: 'Id of a connection, a UUID' } },
        messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
      },
    },
    operations: {
      hear: { action: 'send', channel: { $ref: '#/channels/connection' }, summary: 'What is told about a connection' },
    },
    components: { messages: Object.fromEntries(names.map((name) => [name, described(name)])) },
  };
}

function described(name: string): Record<string, unknown> {
  const { summary, properties, example } = MESSAGES[name] ?? { summary: '', properties: {}, example: {} };
  return {
    name,
    summary,
    payload: {
      type: 'object',
      properties: { type: { const: name }, ...properties },
      required: ['type', ...Object.keys(properties)],
    },
    examples: [{ payload: { type: name, ...example } }],
  };
}
