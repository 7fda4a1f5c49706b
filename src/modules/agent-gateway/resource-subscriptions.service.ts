import { Injectable, Logger, OnModuleDestroy } from '@nestjs/common';
import { Rejected } from '../../mcp/client-message.js';
import { principalOf } from '../../platform/auth/actor.js';
import { EventsService, RESYNC, type DomainEvent } from '../../platform/events/events.service.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { InvocationService, type Carrying } from '../tools/invocation.service.js';
import { AccessDecisionsService } from '../workspace-access/access-decisions.service.js';
import { findResource, type NamedResource } from './offered-resource.js';
import { callerOf, type Visitor } from './visitor.js';
import { isAbout, OFFER_CHANGED, WorkspaceCatalogService } from './workspace-catalog.service.js';

/** Resources that one agent hears of at once. */
export const MOST_SUBSCRIPTIONS = 1_000;
/** Changes come in storms: they are told once for all that came so close together. */
const GATHER_MS = 100;

/** Somebody who hears of a resource, by the URI that it is shown. */
export interface ResourceSubscription {
  readonly uri: string;
  /** It ended by itself: the agent may not hear of it any more. */
  readonly isOver: boolean;
  end(): void;
}

interface Held {
  visitor: Visitor;
  resource: NamedResource;
  tell: () => void;
  /** At the server; null until it accepted. */
  release: (() => void) | null;
  timer: NodeJS.Timeout | undefined;
  isOver: boolean;
}

/**
 * Which agents hear of which resources, on this replica: their streams are here. Whether they still may is asked before each update, and
 * whenever what they are offered changes.
 */
@Injectable()
export class ResourceSubscriptionsService implements OnModuleDestroy {
  private readonly logger = new Logger('agent-gateway');
  private readonly held = new Set<Held>();
  /** How many by agent. */
  private readonly counts = new Map<string, number>();
  private readonly news: { unsubscribe(): void };
  private readonly uncertain = new Set<Held>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    events: EventsService,
    private readonly catalogs: WorkspaceCatalogService,
    private readonly decisions: AccessDecisionsService,
    private readonly invocation: InvocationService,
  ) {
    this.news = events.on(OFFER_CHANGED, (event) => this.hear(event));
  }

  onModuleDestroy(): void {
    this.news.unsubscribe();
    clearTimeout(this.timer);
    for (const each of [...this.held]) this.end(each);
  }

  /**
   * @param tell that the resource changed, or may have
   * @throws Rejected, DomainError 429 for too many, or what the server says to it
   */
  async subscribe(visitor: Visitor, uri: unknown, carrying: Carrying, tell: () => void): Promise<ResourceSubscription> {
    const { organizationId, workspaceId } = visitor;
    const resource = findResource(await this.catalogs.of(organizationId, workspaceId), uri);
    const held: Held = { visitor, resource, tell, release: null, timer: undefined, isOver: false };
    this.add(held);
    try {
      await this.invocation.subscribe(callerOf(visitor), resource, carrying, {
        onUpdated: () => this.gather(held),
        onAccepted: (release) => {
          if (held.isOver) release();
          else held.release = release;
        },
      });
    } catch (error) {
      this.end(held);
      throw error;
    }
    // Rights that went while the server was asked.
    this.check([held]);
    return {
      uri: resource.named,
      get isOver() {
        return held.isOver;
      },
      end: () => this.end(held),
    };
  }

  private add(held: Held): void {
    const agent = principalOf(held.visitor.actor);
    const count = this.counts.get(agent) ?? 0;
    if (count >= MOST_SUBSCRIPTIONS) {
      const message = `More than ${MOST_SUBSCRIPTIONS} subscribed resources: unsubscribe from others first`;
      throw new DomainError('rate_limit_exceeded', message, { limit: MOST_SUBSCRIPTIONS }, 10);
    }
    this.counts.set(agent, count + 1);
    this.held.add(held);
  }

  private end(held: Held): void {
    if (held.isOver) return;
    held.isOver = true;
    clearTimeout(held.timer);
    this.held.delete(held);
    this.uncertain.delete(held);
    const agent = principalOf(held.visitor.actor);
    const count = (this.counts.get(agent) ?? 1) - 1;
    if (count === 0) this.counts.delete(agent);
    else this.counts.set(agent, count);
    held.release?.();
  }

  private gather(held: Held): void {
    if (held.isOver) return;
    held.timer ??= setTimeout(() => {
      held.timer = undefined;
      this.mayHear(held)
        .then((may) => {
          if (may) held.tell();
          else this.end(held);
        })
        // What can't be decided now is not told.
        .catch((error: unknown) => this.warn(error));
    }, GATHER_MS).unref();
  }

  private hear(event: DomainEvent): void {
    this.check([...this.held].filter(({ visitor }) => event.type === RESYNC.type || isAbout(event, visitor)));
  }

  /** Those who may not hear of it any more are let go, and with the last of them its server is told. */
  private check(affected: readonly Held[]): void {
    for (const each of affected) this.uncertain.add(each);
    if (this.uncertain.size === 0) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const uncertain = [...this.uncertain];
      this.uncertain.clear();
      void this.letGo(uncertain).catch((error: unknown) => this.warn(error));
    }, GATHER_MS).unref();
  }

  private async letGo(uncertain: readonly Held[]): Promise<void> {
    for (const each of uncertain) if (!each.isOver && !(await this.mayHear(each))) this.end(each);
  }

  /** The same that reading it would be asked, without being a call. */
  private async mayHear({ visitor, resource }: Held): Promise<boolean> {
    try {
      const catalog = await this.catalogs.of(visitor.organizationId, visitor.workspaceId);
      const now = findResource(catalog, resource.named);
      if (now.connectionId !== resource.connectionId || now.uri !== resource.uri) return false;
      await this.decisions.forRead(visitor.actor, visitor.workspaceId, now);
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  private warn(error: unknown): void {
    this.logger.warn({ err: error }, 'an agent could not be told of a resource');
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Rejected || (error instanceof DomainError && error.code !== 'unavailable');
}
