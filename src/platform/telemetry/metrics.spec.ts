import { setTimeout as sleep } from 'node:timers/promises';
import { AskedFigures } from './asked-figures.js';
import { MetricsService } from './metrics.service.js';

describe('a metric', () => {
  const metrics = new MetricsService();
  const linesOf = async (name: string): Promise<string[]> =>
    (await metrics.registry.getSingleMetricAsString(name)).split('\n').filter((line) => !line.startsWith('#'));

  it('has all its series from the start, and one more for what nobody declared', async () => {
    const counter = metrics.counter('tried_total', 'Tried', { door: ['front', 'back'], outcome: ['ok', 'failed'] });
    const before = await linesOf('tried_total');
    expect(before).toHaveLength(4);
    counter.inc('back', 'ok');
    counter.add(3, 'back', 'failed');
    for (const id of ['1', '2', '3']) counter.inc('front', id);
    expect(await linesOf('tried_total')).toEqual([
      'tried_total{door="front",outcome="ok"} 0',
      'tried_total{door="front",outcome="failed"} 0',
      'tried_total{door="back",outcome="ok"} 1',
      'tried_total{door="back",outcome="failed"} 3',
      'tried_total{door="front",outcome="other"} 3',
    ]);
  });

  it('is left out where it can not be read, and the others are told', async () => {
    let figure: number | undefined = 1;
    metrics.gauge('read_figure', 'Read', () => figure);
    metrics.gauge('broken_figure', 'Broken', () => Promise.reject(new Error('away')));
    metrics.gauges('read_figures', 'Read', 'state', async () => (figure === undefined ? undefined : { a: figure }));
    expect(await linesOf('read_figure')).toEqual(['read_figure 1']);
    expect(await linesOf('read_figures')).toEqual(['read_figures{state="a"} 1']);
    figure = undefined;
    for (const name of ['read_figure', 'read_figures', 'broken_figure']) expect(await linesOf(name)).toEqual([]);
    expect(await metrics.registry.metrics()).toContain('process_cpu_seconds_total');
  });

  it('says for how long the event loop was blocked', async () => {
    const end = performance.now() + 400;
    while (performance.now() < end);
    await sleep(60);
    const [, count] = /event_loop_lag_seconds_bucket\{le="0.2"\} (\d+)/.exec(await metrics.registry.metrics()) ?? [];
    const [, all] = /event_loop_lag_seconds_count (\d+)/.exec(await metrics.registry.metrics()) ?? [];
    expect(Number(all) - Number(count)).toBeGreaterThanOrEqual(1);
    expect(await metrics.registry.metrics()).not.toContain('nodejs_eventloop_lag');
  });
});

describe('figures that somebody is asked for', () => {
  it('are asked for once, however many read them, and believed for a while', async () => {
    let asked = 0;
    const figures = new AskedFigures(async () => ++asked, 100, 1_000);
    expect(await Promise.all([figures.read(), figures.read(), figures.read()])).toEqual([1, 1, 1]);
    expect(await figures.read()).toBe(1);
    await sleep(120);
    expect(await figures.read()).toBe(2);
  });

  it('are not waited for, nor asked for again, while no answer comes', async () => {
    let asked = 0;
    let answer: (value: number) => void = () => undefined;
    const late = new Promise<number>((resolve) => (answer = resolve));
    const figures = new AskedFigures(() => (asked++, late), 1_000, 30);
    for (let turn = 0; turn < 3; turn++) expect(await figures.read()).toBeUndefined();
    answer(7);
    expect(await figures.read()).toBe(7);
    expect(asked).toBe(1);
  });

  it('are asked for again after a failure', async () => {
    let asked = 0;
    const figures = new AskedFigures(async () => {
      if (++asked === 1) throw new Error('away');
      return asked;
    });
    expect(await figures.read()).toBeUndefined();
    expect(await figures.read()).toBe(2);
  });
});
