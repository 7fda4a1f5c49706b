import fc from 'fast-check';
import { wallMinute } from '../../../test/support/upstreams/jira/jql.js';
import { isoTime, jqlMinute } from './jira-time.js';

describe('times of Jira', () => {
  it.each([
    ['2023-07-14T10:35:00.000+0200', '2023-07-14T08:35:00.000Z'],
    ['2023-07-14T10:35:00.123-0330', '2023-07-14T14:05:00.123Z'],
    ['2023-07-14T10:35:00Z', '2023-07-14T10:35:00.000Z'],
    ['2023-07-14T10:35:00.000+02:00', '2023-07-14T08:35:00.000Z'],
    ['yesterday', null],
    [undefined, null],
    [1_689_330_900_000, null],
  ])('reads %p', (text, time) => {
    expect(isoTime(text)).toBe(time);
  });

  it('floors to the minute in the time zone of the account', () => {
    const time = new Date('2026-01-05T08:00:59.999Z');
    expect(jqlMinute(time, 'Europe/Berlin')).toBe('2026/01/05 09:00');
    expect(jqlMinute(time, 'Asia/Kathmandu')).toBe('2026/01/05 13:45');
    expect(jqlMinute(time, 'America/Los_Angeles')).toBe('2026/01/05 00:00');
  });

  it('begins early enough where the zone is not known', () => {
    const time = new Date('2026-01-05T08:00:00Z');
    for (const zone of [null, 'Nowhere/Land', '']) expect(jqlMinute(time, zone)).toBe('2026/01/04 20:00');
  });

  it('begins before both of two minutes that look alike', () => {
    // 02:30 is there twice in this night.
    for (const time of ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'])
      expect(jqlMinute(new Date(time), 'Europe/Berlin') < '2026/10/25 02:00').toBe(true);
    expect(jqlMinute(new Date('2026-10-25T02:00:00Z'), 'Europe/Berlin')).toBe('2026/10/25 03:00');
    expect(jqlMinute(new Date('2026-03-29T01:30:00Z'), 'Europe/Berlin')).toBe('2026/03/29 03:30');
  });

  it('never begins later than the time, wherever and whenever', () => {
    const zones = fc.constantFrom(
      'Europe/Berlin',
      'Australia/Lord_Howe',
      'America/St_Johns',
      'Pacific/Kiritimati',
      'UTC',
    );
    const times = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2030, 0) });
    fc.assert(
      fc.property(times, zones, (time, zone) => {
        expect(jqlMinute(new Date(time), zone) <= wallMinute(time, zone)).toBe(true);
      }),
    );
  });
});
