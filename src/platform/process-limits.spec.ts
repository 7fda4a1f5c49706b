import { isExhaustion, mostConnections } from './process-limits.js';

describe('the limits of a process', () => {
  it.each([
    [256, 128],
    [1_024, 768],
    [20_000, 15_000],
    [1_048_576, 20_000],
    [Infinity, 20_000],
    [64, 16],
  ])('of %p files leave %i connections of clients', (files, connections) => {
    expect(mostConnections(files)).toBe(connections);
  });

  it('are what is told apart from failures of others', () => {
    expect([isExhaustion({ code: 'EMFILE' }), isExhaustion({ code: 'ECONNREFUSED' }), isExhaustion({})]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
