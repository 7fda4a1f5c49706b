/** What the documentation shows of a review. */
export const REVIEW = {
  id: 17,
  connection: '123e4567-e89b-12d3-a456-426614174000',
  server_id: 'example',
  kind: 'tool',
  name: 'get_weather',
  tool_id: 'example_get_weather',
  status: 'pending',
  compatible: true,
  blocked: null,
  effect: 'write',
  effect_override: null,
  digest: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg',
  changed_at: '2023-07-14T10:40:00Z',
  decided_at: null,
  decided_by: null,
};

const DEFINITION = { name: 'get_weather', inputSchema: { type: 'object' } };

export const DIFF = {
  status: 'pending',
  compatible: true,
  blocked: null,
  digest: REVIEW.digest,
  approved: { ...DEFINITION, description: 'Get weather information for a location' },
  latest: { ...DEFINITION, description: 'Get weather\u200b for a location' },
  changes: [
    {
      path: '/description',
      before: 'Get weather information for a location',
      after: 'Get weather\u200b for a location',
    },
  ],
  flags: [{ path: '/description', kind: 'invisible', text: 'Get weather\\u{200b} for a location' }],
};

export const REVIEWED = {
  ...REVIEW,
  status: 'approved',
  decided_at: '2023-07-14T10:45:00Z',
  decided_by: '123e4567-e89b-12d3-a456-426614174222',
};
