import { BeforeApplicationShutdown, Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { Subscription } from 'rxjs';
import { AccessTokenService } from '../../platform/auth/access-token.service.js';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { EventsService, RESYNC, type DomainEvent } from '../../platform/events/events.service.js';
import { HealthService } from '../../platform/health/health.service.js';
import { TOOL_CHANGED } from '../discovery/discovery.events.js';
import { AdmissionService } from './admission.service.js';
import type { Visitor } from './visitor.js';
import { isAbout, OFFER_CHANGED, WorkspaceCatalogService, type WorkspaceCatalog } from './workspace-catalog.service.js';

export const LISTS = ['tools', 'resources', 'prompts'] as const;
export type List = (typeof LISTS)[number];

/** Changes come in storms: what is told is told once for all that came so close together. */
const GATHER_MS = 150;
const LOOK_MS = 3_000;
/** Streams of one agent. */
const MOST_OF_ONE = 200;

/** A stream on which somebody is told what changes. */
export interface Listener {
  readonly visitor: Visitor;
  changed(lists: ReadonlySet<List>): void;
  /** The right to listen was lost, or the process stops. */
  close(): void;
}

interface Watched {
  listeners: Set<Listener>;
  /** What the listeners know. */
  known: Promise<Digests>;
  timer: NodeJS.Timeout | undefined;
  /** Definitions changed, or events were missed: the names of things do not tell. */
  isUncertain: boolean;
}

type Digests = Record<List, string>;

/** Tells those who listen when the lists of their workspace changed, on whichever replica that was. */
@Injectable()
export class OfferChangesService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('agent-gateway');
  /** By organization and workspace. */
  private readonly watched = new Map<string, Watched>();
  private readonly heard: Subscription;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    events: EventsService,
    private readonly catalogs: WorkspaceCatalogService,
    private readonly admission: AdmissionService,
    private readonly tokens: AccessTokenService,
    private readonly health: HealthService,
  ) {
    this.heard = events.on(OFFER_CHANGED, (event) => this.hear(event));
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.look().catch((error: unknown) => this.warn(error)), LOOK_MS).unref();
  }

  /** Before the HTTP server, which waits for its streams. */
  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
    this.heard.unsubscribe();
    this.closeAll();
  }

  /**
   * Resolves when every change from now on will be told.
   * @throws DomainError 429 for an agent that listens in too many places
   */
  async add(listener: Listener): Promise<void> {
    const { organizationId, workspaceId, actor } = listener.visitor;
    const name = principalOf(actor);
    const own = [...this.watched.values()].flatMap(({ listeners }) => [...listeners]);
    if (own.filter(({ visitor }) => principalOf(visitor.actor) === name).length >= MOST_OF_ONE)
      throw new DomainError('rate_limit_exceeded', `More than ${MOST_OF_ONE} open streams`, { limit: MOST_OF_ONE }, 10);
    const key = `${organizationId} ${workspaceId}`;
    const known = this.watched.get(key);
    const watched = known ?? {
      listeners: new Set(),
      known: this.digests(organizationId, workspaceId),
      timer: undefined,
      isUncertain: false,
    };
    watched.listeners.add(listener);
    this.watched.set(key, watched);
    try {
      await watched.known;
    } catch (error) {
      this.remove(listener);
      // Whoever else listens here is told of what changes from now on.
      watched.known = this.digests(organizationId, workspaceId);
      watched.known.catch(() => undefined);
      throw error;
    }
  }

  remove(listener: Listener): void {
    for (const [key, watched] of this.watched) {
      if (!watched.listeners.delete(listener) || watched.listeners.size > 0) continue;
      clearTimeout(watched.timer);
      this.watched.delete(key);
    }
  }

  private hear(event: DomainEvent): void {
    for (const [key, watched] of this.watched) {
      const place = { organizationId: key.slice(0, 36), workspaceId: key.slice(37) };
      const isMissed = event.type === RESYNC.type;
      if (!isMissed && !isAbout(event, place)) continue;
      watched.isUncertain ||= isMissed || event.type === TOOL_CHANGED;
      watched.timer ??= setTimeout(() => {
        watched.timer = undefined;
        this.tell(watched, place).catch((error: unknown) => this.warn(error));
      }, GATHER_MS).unref();
    }
  }

  private async tell(watched: Watched, place: { organizationId: string; workspaceId: string }): Promise<void> {
    const { isUncertain, known } = watched;
    watched.isUncertain = false;
    watched.known = this.digests(place.organizationId, place.workspaceId);
    const [before, now] = await Promise.all([known, watched.known]);
    const isChanged = (list: List): boolean => before[list] !== now[list] || (isUncertain && list !== 'resources');
    const lists = new Set(LISTS.filter(isChanged));
    if (lists.size > 0) for (const listener of watched.listeners) listener.changed(lists);
  }

  private async digests(organizationId: string, workspaceId: string): Promise<Digests> {
    return digestsOf(await this.catalogs.of(organizationId, workspaceId));
  }

  private async look(): Promise<void> {
    if (this.health.isDraining) return this.closeAll();
    for (const { listeners } of [...this.watched.values()])
      for (const listener of [...listeners]) if (!(await this.mayListen(listener))) listener.close();
  }

  private async mayListen({ visitor }: Listener): Promise<boolean> {
    const token = visitor.authorization.replace(/^Bearer +/i, '');
    return (await this.tokens.verify(token)) !== null && (await this.admission.again(visitor)) !== null;
  }

  private closeAll(): void {
    for (const { listeners } of [...this.watched.values()]) for (const listener of [...listeners]) listener.close();
  }

  private warn(error: unknown): void {
    this.logger.warn({ err: error }, 'agents could not be told what changed');
  }
}

function digestsOf({ tools, prompts, resources, templates }: WorkspaceCatalog): Digests {
  return {
    tools: digestOf(tools.keys()),
    prompts: digestOf(prompts.keys()),
    resources: digestOf([...resources.keys(), ...templates.map(({ publicUri }) => publicUri)]),
  };
}

function digestOf(names: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const name of names) hash.update(`${name}\n`);
  return hash.digest('base64');
}
