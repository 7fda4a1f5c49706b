import { LastingPressure } from './lasting-pressure.js';

describe('pressure', () => {
  let isHigh: boolean;
  let pressure: LastingPressure;
  beforeEach(() => {
    jest.useFakeTimers();
    isHigh = false;
    pressure = new LastingPressure(() => isHigh);
  });
  afterEach(() => {
    pressure.stop();
    jest.useRealTimers();
  });
  const after = (ms: number, high: boolean): boolean => {
    isHigh = high;
    jest.advanceTimersByTime(ms);
    return pressure.lasts();
  };

  it('lasts when it is seen twice in a row', () => {
    expect([after(999, true), after(1, true), after(999, true), after(1, true), after(5_000, true)]).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  it('ends at once, and has to last again', () => {
    expect([after(2_000, true), after(1, false), after(1, true)]).toEqual([true, false, true]);
    expect([after(1_000, false), after(1_000, true), after(1_000, true)]).toEqual([false, false, true]);
  });

  it('is none when it is high now and then', () => {
    for (let times = 0; times < 5; times++) expect([after(1_000, true), after(1_000, false)]).toEqual([false, false]);
  });
});
