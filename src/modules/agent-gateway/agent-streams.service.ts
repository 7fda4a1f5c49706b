import { Injectable } from '@nestjs/common';
import { Rejected, RPC, type ClientMessage, type RpcId } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { SUBSCRIPTION_KEY } from '../../mcp/modern-headers.js';
import { DomainError } from '../../platform/http/domain-error.js';
import type { Carrying } from '../tools/invocation.service.js';
import { finished, SERVER_META } from './agent-protocol.js';
import type { AgentSession } from './agent-session.js';
import type { EventLog } from './event-log.js';
import type { Exchange } from './exchange.js';
import { LISTS, OfferChangesService, type List, type Listener } from './offer-changes.service.js';
import {
  MOST_SUBSCRIPTIONS,
  ResourceSubscriptionsService,
  type ResourceSubscription,
} from './resource-subscriptions.service.js';
import type { Visitor } from './visitor.js';

type Request = Extract<ClientMessage, { kind: 'request' }>;

/** Servers that are asked at once, of one that listens. */
const AT_ONCE = 10;

/** The streams on which agents are told what changes. */
@Injectable()
export class AgentStreamsService {
  /** Of sessions of the old era, by URI. */
  private readonly followed = new WeakMap<AgentSession, Map<string, Promise<ResourceSubscription>>>();

  constructor(
    private readonly changes: OfferChangesService,
    private readonly subscriptions: ResourceSubscriptionsService,
  ) {}

  /** From when a client first listens, what it misses is kept for it. */
  async standing(visitor: Visitor, session: AgentSession): Promise<EventLog> {
    const isNew = session.standing === null;
    const log = session.listen();
    if (!isNew) return log;
    const listener: Listener = {
      visitor,
      changed: (lists) => {
        for (const list of lists) log.append({ jsonrpc: '2.0', method: `notifications/${list}/list_changed` });
      },
      close: () => {
        this.changes.remove(listener);
        this.unfollow(session);
        log.close();
        session.standing = null;
      },
    };
    session.onEnd.add(() => this.changes.remove(listener));
    try {
      await this.changes.add(listener);
    } catch (error) {
      session.standing = null;
      throw error;
    }
    return log;
  }

  /** `resources/subscribe` and `resources/unsubscribe` of the old era (MCP 2025-11-25, Resources, Subscriptions). */
  async follow(
    visitor: Visitor,
    session: AgentSession,
    { method, params: { uri } }: Request,
    carrying: Carrying,
  ): Promise<JsonObject> {
    if (typeof uri !== 'string') throw new Rejected(200, RPC.invalidParams, 'params.uri must be a string');
    const followed = this.followedBy(session);
    const known = followed.get(uri);
    if (method === 'resources/unsubscribe') {
      followed.delete(uri);
      await known?.then(
        (subscription) => subscription.end(),
        () => undefined,
      );
      return {};
    }
    // What changes before the client listens is kept for it.
    const log = await this.standing(visitor, session);
    const params = { uri };
    if (known && !(await known).isOver) return {};
    const subscribing = this.subscriptions.subscribe(visitor, uri, carrying, () =>
      log.append({ jsonrpc: '2.0', method: 'notifications/resources/updated', params }),
    );
    followed.set(uri, subscribing);
    try {
      await subscribing;
    } catch (error) {
      if (followed.get(uri) === subscribing) followed.delete(uri);
      throw error;
    }
    // The session may have ended meanwhile.
    if (session.isOver || followed.get(uri) !== subscribing) (await subscribing).end();
    return {};
  }

  /** MCP 2026-07-28, Subscriptions: acknowledged with what will be told, then what changes, until somebody closes the stream. */
  async listen(visitor: Visitor, { id, params }: Request, exchange: Exchange): Promise<void> {
    const { lists, uris } = readWanted(params);
    if (exchange.signal.aborted) return;
    const stream = new ListenStream(id, exchange);
    const end = (): void => {
      this.changes.remove(listener);
      stream.end();
    };
    const listener: Listener = {
      visitor,
      changed: (changed) => {
        for (const list of changed) if (lists.has(list)) stream.tell(`notifications/${list}/list_changed`, {});
      },
      close: () => {
        end();
        stream.close();
      },
    };
    exchange.signal.addEventListener('abort', end, { once: true });
    await this.changes.add(listener);
    try {
      for (let start = 0; start < uris.length && !stream.isOver; start += AT_ONCE)
        await Promise.all(uris.slice(start, start + AT_ONCE).map((uri) => this.hear(visitor, uri, exchange, stream)));
    } catch (error) {
      end();
      throw error;
    }
    stream.acknowledge([...lists], uris);
  }

  /** What is not granted, is not there, or whose server does not tell, is left out of what is acknowledged. */
  private async hear(visitor: Visitor, uri: string, { signal }: Exchange, stream: ListenStream): Promise<void> {
    const tell = (): void => stream.tell('notifications/resources/updated', { uri });
    try {
      stream.hold(await this.subscriptions.subscribe(visitor, uri, { signal }, tell));
    } catch (error) {
      if (!(error instanceof Rejected) && !(error instanceof DomainError && error.code !== 'unavailable')) throw error;
    }
  }

  private followedBy(session: AgentSession): Map<string, Promise<ResourceSubscription>> {
    const known = this.followed.get(session);
    if (known) return known;
    const followed = new Map<string, Promise<ResourceSubscription>>();
    this.followed.set(session, followed);
    session.onEnd.add(() => this.unfollow(session));
    return followed;
  }

  private unfollow(session: AgentSession): void {
    const followed = this.followed.get(session);
    const all = [...(followed?.values() ?? [])];
    followed?.clear();
    for (const each of all)
      each.then(
        (subscription) => subscription.end(),
        () => undefined,
      );
  }
}

/** One `subscriptions/listen`. What changes before it is acknowledged is told after that. */
class ListenStream {
  isOver = false;
  private early: (() => void)[] | null = [];
  private readonly subscriptions = new Map<string, ResourceSubscription>();
  private readonly meta: JsonObject;

  constructor(
    id: RpcId,
    private readonly exchange: Exchange,
  ) {
    this.meta = { [SUBSCRIPTION_KEY]: id };
  }

  tell(method: string, params: JsonObject): void {
    const tell = (): void => this.exchange.notify(method, { ...params, _meta: this.meta });
    if (this.early) this.early.push(tell);
    else tell();
  }

  /** For as long as the stream is open. */
  hold(subscription: ResourceSubscription): void {
    if (this.isOver) subscription.end();
    else this.subscriptions.set(subscription.uri, subscription);
  }

  /** @param uris that were asked for */
  acknowledge(lists: readonly List[], uris: readonly string[]): void {
    const honoured = uris.filter((uri) => this.subscriptions.has(uri));
    const notifications = {
      ...Object.fromEntries(lists.map((list) => [`${list}ListChanged`, true])),
      ...(uris.length === 0 ? {} : { resourceSubscriptions: honoured }),
    };
    this.exchange.notify('notifications/subscriptions/acknowledged', { notifications, _meta: this.meta });
    for (const tell of this.early ?? []) tell();
    this.early = null;
  }

  end(): void {
    this.isOver = true;
    for (const subscription of this.subscriptions.values()) subscription.end();
    this.subscriptions.clear();
  }

  close(): void {
    this.exchange.answer({ ...finished('subscriptions/listen', {}), _meta: { ...SERVER_META, ...this.meta } });
  }
}

/** @throws Rejected */
function readWanted({ notifications }: JsonObject): { lists: Set<List>; uris: string[] } {
  if (!isObject(notifications)) throw new Rejected(400, RPC.invalidParams, 'params.notifications must be an object');
  const { resourceSubscriptions: uris = [] } = notifications;
  const isList = Array.isArray(uris) && uris.every((uri): uri is string => typeof uri === 'string');
  if (!isList || uris.length > MOST_SUBSCRIPTIONS)
    throw new Rejected(
      400,
      RPC.invalidParams,
      `params.notifications.resourceSubscriptions must be at most ${MOST_SUBSCRIPTIONS} URIs`,
    );
  return {
    lists: new Set(LISTS.filter((list) => notifications[`${list}ListChanged`] === true)),
    uris: [...new Set(uris)],
  };
}
