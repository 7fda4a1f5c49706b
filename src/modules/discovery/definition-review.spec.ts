import type { PromptDefinition } from './definition.entity.js';
import { blockedBecause, claimedEffectOf, decide, newlyPending, review, type Reviewed } from './definition-review.js';
import type { ToolDefinition } from './tool.entity.js';

const LATER = { baseline: false, trust: false };
const BASELINE = { baseline: true, trust: false };
const TRUST = { baseline: false, trust: true };

const tool = (more: Partial<ToolDefinition> = {}): ToolDefinition => ({
  name: 'tool',
  inputSchema: { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false },
  ...more,
});
const FIRST = tool({ description: 'first' });
const WORDS = tool({ description: 'second' });
const TIGHTER = tool({ inputSchema: { type: 'object', properties: {}, additionalProperties: false } });
const approved = review('tool', null, FIRST, BASELINE);

describe('a definition that is found', () => {
  it('is approved by the baseline, pending after it, and approved where definitions are trusted', () => {
    expect(approved).toEqual({ latest: FIRST, approved: FIRST, status: 'approved', compatible: true });
    expect(review('tool', null, FIRST, LATER)).toMatchObject({ approved: null, status: 'pending', compatible: false });
    expect(review('tool', null, FIRST, TRUST).status).toBe('approved');
  });

  it('that was found before the baseline is approved by it, unless an admin said no', () => {
    const early = review('tool', null, FIRST, LATER);
    expect(review('tool', early, FIRST, BASELINE).status).toBe('approved');
    expect(review('tool', decide(early, FIRST, 'reject'), FIRST, BASELINE).status).toBe('rejected');
    expect(review('tool', decide(early, FIRST, 'approve'), WORDS, BASELINE).status).toBe('pending');
  });

  it('stays as it is while it says the same, in whatever order', () => {
    const { name, description, inputSchema } = FIRST;
    expect(review('tool', approved, { inputSchema, description, name }, LATER)).toEqual(approved);
    const pending = review('tool', approved, WORDS, LATER);
    expect(review('tool', pending, WORDS, LATER)).toEqual(pending);
    const rejected = decide(pending, WORDS, 'reject');
    expect(review('tool', rejected, WORDS, LATER)).toEqual(rejected);
    expect(review('tool', rejected, WORDS, TRUST)).toEqual(rejected);
  });

  it('is pending when it changed, in each of its parts', () => {
    for (const change of [
      { title: 'x' },
      { description: undefined },
      { inputSchema: {} },
      { outputSchema: {} },
      { annotations: {} },
    ]) {
      const after = review(
        'tool',
        approved,
        JSON.parse(JSON.stringify({ ...FIRST, ...change })) as ToolDefinition,
        LATER,
      );
      expect(after).toMatchObject({ status: 'pending', approved: FIRST });
    }
  });

  it('is pending again when it changes after a rejection, and approved when it is what was approved again', () => {
    const rejected = decide(review('tool', approved, WORDS, LATER), WORDS, 'reject');
    expect(rejected).toMatchObject({ status: 'rejected', approved: FIRST, latest: WORDS });
    expect(review('tool', rejected, TIGHTER, LATER).status).toBe('pending');
    expect(review('tool', rejected, FIRST, LATER)).toEqual(approved);
  });

  it('of a prompt is compatible when no argument vanished or became required', () => {
    const prompt = (...args: object[]): PromptDefinition => ({ name: 'p', arguments: args });
    const compatible = (before: PromptDefinition, after: PromptDefinition): boolean =>
      review('prompt', review('prompt', null, before, BASELINE), after, LATER).compatible;
    expect(compatible(prompt({ name: 'a' }), prompt({ name: 'a', description: 'x' }, { name: 'b' }))).toBe(true);
    expect(compatible(prompt({ name: 'a', required: true }), prompt({ name: 'a' }))).toBe(true);
    expect(compatible(prompt({ name: 'a' }), prompt())).toBe(false);
    expect(compatible(prompt({ name: 'a' }), prompt({ name: 'a', required: true }))).toBe(false);
    expect(compatible(prompt(), prompt({ name: 'a', required: true }))).toBe(false);
    expect(compatible(prompt('no object' as never), { name: 'p' })).toBe(false);
  });

  it('of instructions keeps nobody from anything', () => {
    const before = review('instructions', null, { instructions: 'a' }, BASELINE);
    expect(review('instructions', before, { instructions: 'b' }, LATER)).toMatchObject({
      status: 'pending',
      compatible: true,
    });
  });
});

it('blocks what nobody approved, and a change that is not proven compatible', () => {
  const blocked = (reviewed: Reviewed): string | null => blockedBecause(reviewed);
  const early = review('tool', null, FIRST, LATER);
  const words = review('tool', approved, WORDS, LATER);
  const tighter = review('tool', approved, TIGHTER, LATER);
  expect([approved, early, decide(early, FIRST, 'reject'), words, tighter].map(blocked)).toEqual([
    null,
    'definition_pending',
    'definition_rejected',
    null,
    'definition_changed',
  ]);
  expect(blocked(decide(words, WORDS, 'reject'))).toBeNull();
  expect(blocked(decide(tighter, TIGHTER, 'reject'))).toBe('definition_changed');
});

it('takes an approval back', () => {
  expect(decide(approved, FIRST, 'reject')).toMatchObject({ status: 'rejected', approved: null });
  expect(decide(decide(approved, FIRST, 'reject'), FIRST, 'approve')).toEqual(approved);
});

it('announces each pending definition once', () => {
  const words = review('tool', approved, WORDS, LATER);
  expect(newlyPending(approved, words)).toBe(true);
  expect(newlyPending(words, words)).toBe(false);
  expect(newlyPending(words, review('tool', words, TIGHTER, LATER))).toBe(true);
  expect(newlyPending(null, approved)).toBe(false);
});

describe('the effect that a tool claims', () => {
  const claiming = (annotations?: Record<string, unknown>): ToolDefinition => tool(annotations ? { annotations } : {});
  const [READ, WRITE, DESTRUCTIVE] = [
    claiming({ readOnlyHint: true }),
    claiming(),
    claiming({ destructiveHint: true }),
  ];

  it('is the worst of its annotations', () => {
    const both = claiming({ readOnlyHint: true, destructiveHint: true });
    const claims = [READ, WRITE, DESTRUCTIVE, both, claiming({ readOnlyHint: 'yes' })];
    expect(claims.map((each) => claimedEffectOf(review('tool', null, each, BASELINE)))).toEqual([
      'read',
      'write',
      'destructive',
      'destructive',
      'write',
    ]);
  });

  it('rises at once, and falls when that is approved', () => {
    const risen = review('tool', review('tool', null, READ, BASELINE), DESTRUCTIVE, LATER);
    expect(claimedEffectOf(risen)).toBe('destructive');
    expect(claimedEffectOf(decide(risen, DESTRUCTIVE, 'reject'))).toBe('destructive');
    const fallen = review('tool', review('tool', null, DESTRUCTIVE, BASELINE), READ, LATER);
    expect(claimedEffectOf(fallen)).toBe('destructive');
    expect(claimedEffectOf(decide(fallen, READ, 'approve'))).toBe('read');
  });
});
