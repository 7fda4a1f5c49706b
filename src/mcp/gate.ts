import type { CancelSignal } from '../platform/cancellation.js';
import { UpstreamError, type UpstreamLimits } from './upstream.js';

interface Waiter {
  admit: () => void;
}

interface Organization {
  key: string;
  running: number;
  waiting: number;
  /** Connections with waiting requests, in the order of their turns. */
  turns: Set<Lane>;
  lanes: number;
}

interface Lane {
  key: string;
  organization: Organization;
  running: number;
  waiting: Set<Waiter>;
}

type GateLimits = Pick<
  UpstreamLimits,
  'requestsPerConnection' | 'queuePerConnection' | 'requestsPerOrganization' | 'queuePerOrganization'
>;

/**
 * Bulkheads: so many requests at once per connection and per organization. What waits goes in order within a
 * connection, and connections of an organization take turns, so that none starves behind a busy one.
 */
export class Gate {
  private readonly lanes = new Map<string, Lane>();
  private readonly organizations = new Map<string, Organization>();
  inFlight = 0;
  queued = 0;

  constructor(private readonly limits: GateLimits) {}

  /**
   * Undefined when the request may go at once, else a promise of its turn, which rejects with the signal's reason.
   * Throws `busy` when the queue is full. Whoever was let in must leave.
   */
  enter(connectionId: string, organizationId: string, signal: CancelSignal): Promise<void> | undefined {
    const lane = this.laneOf(connectionId, organizationId);
    const isFree = lane.waiting.size === 0 && this.hasRoom(lane);
    if (isFree) {
      this.start(lane);
      return undefined;
    }
    const { queuePerConnection, queuePerOrganization } = this.limits;
    if (lane.waiting.size >= queuePerConnection || lane.organization.waiting >= queuePerOrganization) {
      const text = 'Too many requests already wait for this server, or for others of the organization.';
      throw new UpstreamError('busy', text, { retryAfterSeconds: 1, mayHaveArrived: false });
    }
    return this.wait(lane, signal);
  }

  leave(connectionId: string): void {
    const lane = this.lanes.get(connectionId);
    if (!lane) return;
    lane.running--;
    lane.organization.running--;
    this.inFlight--;
    this.admitNext(lane.organization);
    this.forget(lane);
  }

  private wait(lane: Lane, signal: CancelSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        lane.waiting.delete(waiter);
        if (lane.waiting.size === 0) lane.organization.turns.delete(lane);
        signal.removeEventListener('abort', giveUp);
        this.queued--;
        lane.organization.waiting--;
      };
      const waiter: Waiter = {
        admit: () => {
          done();
          this.start(lane);
          resolve();
        },
      };
      const giveUp = (): void => {
        done();
        this.forget(lane);
        reject(signal.reason as UpstreamError);
      };
      lane.waiting.add(waiter);
      lane.organization.turns.add(lane);
      signal.addEventListener('abort', giveUp, { once: true });
      this.queued++;
      lane.organization.waiting++;
    });
  }

  private admitNext(organization: Organization): void {
    for (const lane of organization.turns) {
      if (organization.running >= this.limits.requestsPerOrganization) return;
      if (lane.running >= this.limits.requestsPerConnection) continue;
      const [next] = lane.waiting;
      if (!next) continue;
      // To the end of the turns, which the loop reaches again as long as there is room.
      organization.turns.delete(lane);
      organization.turns.add(lane);
      next.admit();
    }
  }

  private start(lane: Lane): void {
    lane.running++;
    lane.organization.running++;
    this.inFlight++;
  }

  private hasRoom(lane: Lane): boolean {
    const { requestsPerConnection, requestsPerOrganization } = this.limits;
    return lane.running < requestsPerConnection && lane.organization.running < requestsPerOrganization;
  }

  private laneOf(connectionId: string, organizationId: string): Lane {
    const known = this.lanes.get(connectionId);
    if (known) return known;
    const organization = this.organizations.get(organizationId) ?? {
      key: organizationId,
      running: 0,
      waiting: 0,
      turns: new Set(),
      lanes: 0,
    };
    this.organizations.set(organizationId, organization);
    organization.lanes++;
    const lane: Lane = { key: connectionId, organization, running: 0, waiting: new Set() };
    this.lanes.set(connectionId, lane);
    return lane;
  }

  private forget(lane: Lane): void {
    if (lane.running > 0 || lane.waiting.size > 0 || this.lanes.get(lane.key) !== lane) return;
    this.lanes.delete(lane.key);
    const { organization } = lane;
    if (--organization.lanes === 0) this.organizations.delete(organization.key);
  }
}
