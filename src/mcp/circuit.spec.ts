import { Circuit } from './circuit.js';
import { UpstreamError } from './upstream.js';

describe('a circuit that hears what others found out', () => {
  let now: number;
  let circuit: Circuit;
  beforeEach(() => {
    now = 0;
    circuit = new Circuit({ circuitFailures: 5, circuitOpenMs: 30_000 }, () => now);
  });

  it('opens, lets one through after its time, and closes when it hears that the server answers', () => {
    circuit.hear(false);
    expect(() => circuit.admit()).toThrow(UpstreamError);
    now += 30_000;
    expect(circuit.admit()).toBe(true);
    expect(() => circuit.admit()).toThrow(UpstreamError);
    circuit.hear(true);
    expect([circuit.admit(), circuit.state]).toEqual([false, 'closed']);
  });

  it('believes its own experience for two seconds', () => {
    circuit.succeeded();
    now += 1_999;
    circuit.hear(false);
    expect(circuit.state).toBe('closed');
    now += 1;
    circuit.hear(false);
    expect(circuit.state).toBe('open');
  });

  it('is not held open by hearing it again', () => {
    circuit.hear(false);
    now += 29_999;
    circuit.hear(false);
    now += 1;
    expect(circuit.admit()).toBe(true);
  });
});
