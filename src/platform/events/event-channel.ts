import type { EntityManager } from 'typeorm';

/** What a channel tells: a message of some replica, perhaps this one, or that messages may have been missed. */
export interface ChannelListener {
  receive(message: string): void;
  missed(): void;
}

/** How messages reach the other replicas. */
export interface EventChannel {
  /** Whether messages of other replicas arrive now. */
  readonly isListening: boolean;
  open(listener: ChannelListener): Promise<void>;
  close(): Promise<void>;
  /** Within the transaction that the message is about. */
  stage(manager: EntityManager, message: string): Promise<void>;
  /** After its commit. Never rejects: what can't be told is missed, and everybody is told that instead. */
  send(messages: readonly string[]): Promise<void>;
}
