import fc from 'fast-check';
import { EventStreamParser, type StreamEvent } from './event-stream.js';

function parse(chunks: Buffer[], maxBytes = 1_000_000): { events: StreamEvent[]; parser: EventStreamParser } {
  const events: StreamEvent[] = [];
  const parser = new EventStreamParser(maxBytes, (event) => events.push(event));
  for (const chunk of chunks) parser.push(chunk);
  return { events, parser };
}

function cut(text: string, places: number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.subarray(at[index - 1] ?? 0, end));
}

it('reads types, several data lines, ids and retries, and ignores comments and unknown fields', () => {
  const text =
    '\ufeff: hi\nid: 7\nretry: 50\nevent: note\ndata: a\ndata:b\ndata\nfoo: x\n\ndata: second\n\ndata: unfinished';
  const { events, parser } = parse([Buffer.from(text)]);
  expect(events).toEqual([
    { type: 'note', data: 'a\nb\n' },
    { type: 'message', data: 'second' },
  ]);
  expect(parser).toMatchObject({ lastEventId: '7', retryMs: 50 });
});

it('gives the same events however the stream is cut and whatever its lines end in', () => {
  const line = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
    fc.constantFrom('', '', ': comment', 'event: x', 'id: 1'),
  );
  const places = fc.array(fc.nat(500), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.constantFrom('\n', '\r\n', '\r'), places, (lines, ending, at) => {
      const whole = parse([Buffer.from(`${lines.join('\n')}\n\n`)]).events;
      expect(parse(cut(`${lines.join(ending)}${ending}${ending}`, at)).events).toEqual(whole);
    }),
  );
});

it('refuses an event beyond the limit, in one line or in many, but not a long comment', () => {
  const chunk = Buffer.from('x'.repeat(600));
  expect(() => parse([Buffer.from('data: '), chunk, chunk], 1000)).toThrow(/larger than 1000 bytes/);
  expect(() => parse(Array<Buffer>(30).fill(Buffer.from(`data: ${'x'.repeat(50)}\n`)), 1000)).toThrow(/larger/);
  expect(
    parse([Buffer.from(': '), ...Array<Buffer>(50).fill(chunk), Buffer.from('\ndata: 1\n\n')], 1000).events,
  ).toHaveLength(1);
});

it.each(['\n', '\r', '\r\n', 'data: x\n', ': \r\n'])('takes linear time for a stream of %j', (piece) => {
  const chunk = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)));
  const started = performance.now();
  const parser = new EventStreamParser(100_000_000, () => undefined);
  for (let i = 0; i < 64; i++) parser.push(chunk);
  expect(performance.now() - started).toBeLessThan(2000);
});
