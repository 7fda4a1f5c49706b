import { SchemaChecker } from './schema-checker.js';

// What these measure is time, on whatever machine is doing something else as well.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

const CATASTROPHIC = '^(a+)+$';
const ATTACK = `${'a'.repeat(30)}!`;
const checker = new SchemaChecker({ warn: (message) => process.stderr.write(`${message}\n`) });
const heavy = { properties: { child: { $ref: '#' } } };

afterAll(() => checker.close());

function recursive(depth: number): unknown {
  return depth === 0 ? {} : { child: recursive(depth - 1) };
}

/** Both workers are loaded and know the schema. */
async function warmUp(): Promise<void> {
  await checker.check(heavy, {});
  await new Promise((resolve) => setTimeout(resolve, 500));
  await Promise.all([1, 2, 3, 4].map(async (depth) => checker.check(heavy, recursive(depth))));
}

describe('a hostile pattern', () => {
  it('ends as undecided, while the event loop and other checks go on', async () => {
    const hostile = { type: 'string', pattern: CATASTROPHIC };
    await warmUp();
    const lags: number[] = [];
    let last = performance.now();
    let isOver = false;
    const timer = setInterval(() => {
      lags.push(performance.now() - last - 5);
      last = performance.now();
    }, 5).unref();
    const attacked = Promise.resolve(checker.check(hostile, ATTACK)).finally(() => (isOver = true));
    expect(checker.check({ type: 'string' }, 'quick')).toMatchObject({ valid: true });
    expect(await checker.check(heavy, recursive(2))).toMatchObject({ valid: true });
    expect(isOver).toBe(false);
    expect(await attacked).toEqual({
      valid: false,
      undecided: true,
      errors: [{ path: '', message: 'could not be checked against the schema within the time limit' }],
    });
    clearInterval(timer);
    expect(lags.length).toBeGreaterThan(5);
    // On this thread the pattern would take many seconds; a busy machine may hold up a tick.
    expect(Math.max(...lags)).toBeLessThan(300);
  });

  it('again and again never takes both workers', async () => {
    const hostile = { type: 'string', pattern: `${CATASTROPHIC}|again` };
    await warmUp();
    await checker.check(hostile, ATTACK);
    const flood = Array.from({ length: 20 }, () => checker.check(hostile, ATTACK));
    const start = performance.now();
    for (let at = 0; at < 20; at++) expect(await checker.check(heavy, recursive(2))).toMatchObject({ valid: true });
    expect(performance.now() - start).toBeLessThan(1000);
    for (const result of flood) expect(await result).toMatchObject({ valid: false, undecided: true });
  });

  it('of a doubling recursion ends as undecided', async () => {
    const schema = {
      anyOf: [
        { properties: { a: { $ref: '#' } }, required: ['b'] },
        { properties: { a: { $ref: '#' } }, required: ['c'] },
      ],
    };
    let value: unknown = {};
    for (let at = 0; at < 40; at++) value = { a: value };
    expect(await checker.check(schema, value)).toMatchObject({ valid: false, undecided: true });
  });
});
