import { partOf, traceOfRequest, traceparentOf } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const REQUEST = '0190f3a4-7a3c-7b8e-9d52-3f6a0c1b2d4e';

describe('the trace of a request', () => {
  it('is the one that its header names, of which it is a part', () => {
    const trace = traceOfRequest(`00-${TRACE}-${PARENT}-01`, REQUEST);
    expect(trace).toEqual({
      traceId: TRACE,
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
      parentId: PARENT,
      isSampled: true,
    });
    expect(trace.spanId).not.toBe(PARENT);
    const part = partOf(trace);
    expect(part).toMatchObject({ traceId: TRACE, parentId: trace.spanId });
    expect(traceparentOf(part)).toBe(`00-${TRACE}-${part.spanId}-01`);
  });

  it('is kept by nobody where the one who began it does not', () => {
    const trace = traceOfRequest(`00-${TRACE}-${PARENT}-00`, REQUEST);
    expect([trace.isSampled, traceparentOf(trace).slice(-2)]).toEqual([false, '00']);
  });

  it('is read from later versions, whatever they add', () => {
    expect(traceOfRequest(`cc-${TRACE}-${PARENT}-01-what-the-future-brings`, REQUEST).traceId).toBe(TRACE);
  });

  it.each([
    undefined,
    '',
    ['00', TRACE, PARENT, '01'],
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}x-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01\n`,
  ])('is a new one for %p, with the id of the request', (header) => {
    expect(traceOfRequest(header, REQUEST)).toMatchObject({
      traceId: REQUEST.replaceAll('-', ''),
      parentId: null,
      isSampled: true,
    });
  });

  it('has an id of its own where the request was named by its client', () => {
    const [one, two] = [traceOfRequest(undefined, 'my-request-1'), traceOfRequest(undefined, 'my-request-1')];
    expect(one.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(one.traceId).not.toBe(two.traceId);
  });
});
