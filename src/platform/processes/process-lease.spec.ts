import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { Database } from '../database/transaction.js';
import { ProcessLease } from './process-lease.service.js';

const LEASE_MS = 15_000;

describe('the leases of processes', () => {
  let app: TestApp;
  let beside: TestApp;
  /** Milliseconds by which the clock of this process is ahead. */
  let ahead = 0;

  beforeAll(async () => {
    [app, beside] = await startApp().then(async (first) => [first, await startApp({}, first)]);
    const real = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => real() + ahead);
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await app.close();
  });

  const lease = (): ProcessLease => app.app.get(ProcessLease);
  const isAlive = async (id: string): Promise<unknown> =>
    (await app.query('SELECT process_is_alive($1) AS alive', [id]))[0]?.alive;
  const isDead = async (id: string, judge = lease().id): Promise<unknown> =>
    (await app.query('SELECT process_is_dead($1, $2) AS dead', [id, judge]))[0]?.dead;
  const expire = (id: string): Promise<unknown> =>
    app.query("UPDATE process_leases SET held_until = now() - interval '1 second' WHERE id = $1", [id]);
  /** As time passes, a beat every three seconds. */
  const beatFor = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 3_000) {
      ahead += 3_000;
      await lease().beat();
    }
  };

  it('holds one for each process from before it listens', async () => {
    const other = beside.app.get(ProcessLease).id;
    expect(other).not.toBe(lease().id);
    expect([await isAlive(lease().id), await isAlive(other), await isAlive(uuidv7())]).toEqual([true, true, false]);
    expect([await isDead(other), await isDead(uuidv7())]).toEqual([false, true]);
  });

  it('judges others only after it has held its own for a whole lease, and only while it renews it', async () => {
    expect(lease().mayJudge).toBe(false);
    await beatFor(LEASE_MS);
    expect(lease().mayJudge).toBe(true);
    ahead += 10_000;
    expect(lease().mayJudge).toBe(false);
    await lease().beat();
    expect(lease().mayJudge).toBe(true);
  });

  it('starts anew after a pause, in which all leases ran out', async () => {
    await beatFor(LEASE_MS);
    expect(lease().mayJudge).toBe(true);
    const other = beside.app.get(ProcessLease).id;
    await expire(lease().id);
    await expire(other);
    // The database does not take the word of somebody whose own lease ran out, and it has not noticed yet.
    expect([await isAlive(other), await isDead(other)]).toEqual([false, false]);
    await lease().beat();
    expect([await isDead(other), lease().mayJudge]).toEqual([true, false]);
    await beside.app.get(ProcessLease).beat();
    expect(await isDead(other)).toBe(false);
    await beatFor(LEASE_MS);
    expect(lease().mayJudge).toBe(true);
  });

  it('starts anew when beats came so late that the lease of somebody else may have run out', async () => {
    await beatFor(LEASE_MS);
    await app.query("UPDATE process_leases SET held_until = now() + interval '3 seconds' WHERE id = $1", [lease().id]);
    await lease().beat();
    expect(lease().mayJudge).toBe(false);
  });

  it('starts anew after a beat that failed', async () => {
    Logger.overrideLogger(false);
    const broken = { manager: { query: async () => Promise.reject(new Error('Connection terminated')) } };
    const alone = new ProcessLease(broken as unknown as Database, app.app.get(DataSource));
    await expect(alone.beat()).rejects.toThrow('Connection terminated');
    expect(alone.mayJudge).toBe(false);
  });

  it('gives its lease up when it stops, and removes those of yesterday', async () => {
    const other = beside.app.get(ProcessLease).id;
    const gone = uuidv7();
    await app.query("INSERT INTO process_leases VALUES ($1, now() - interval '25 hours')", [gone]);
    await beside.close();
    expect(await app.query('SELECT id FROM process_leases WHERE id = $1', [other])).toEqual([]);
    const third = await startApp({}, app);
    for (let tries = 0; tries < 500; tries++) {
      if ((await app.query('SELECT id FROM process_leases WHERE id = $1', [gone])).length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await app.query('SELECT id FROM process_leases ORDER BY id')).toEqual([
      { id: lease().id },
      { id: third.app.get(ProcessLease).id },
    ]);
    await third.close();
  });
});
