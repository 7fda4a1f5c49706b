import type { UpstreamReason } from '../../mcp/upstream.js';

/** JSON Schema of an object. */
export type ObjectSchema = Record<string, unknown> & { type: 'object' };

export interface ToolCall {
  /** Aborted when the caller no longer waits: pass it to every request. */
  signal: AbortSignal;
}

export interface ProviderTool {
  name: string;
  title: string;
  description: string;
  inputSchema: ObjectSchema;
  outputSchema: ObjectSchema;
  annotations: { readOnlyHint: boolean; destructiveHint?: boolean; idempotentHint?: boolean; openWorldHint?: boolean };
  /**
   * Answers with structured content of `outputSchema`; the text part is made from it.
   * @throws ToolFailure for what the caller is told as a tool error; EgressError where the system behind can't be reached
   */
  run: (args: Record<string, unknown>, call: ToolCall) => Promise<Record<string, unknown>>;
}

export interface FailureDetails {
  /** Where it is the system behind that could not be used, and not the call that was wrong. */
  reason?: UpstreamReason;
  /** After which trying again makes sense. */
  retryAfterSeconds?: number;
}

/**
 * A tool error (MCP, CallToolResult `isError`): a text for its reader, without credentials. Readings of resources have no such
 * errors: there the details decide what it is to the caller.
 */
export class ToolFailure extends Error {
  readonly reason: UpstreamReason | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, { reason, retryAfterSeconds }: FailureDetails = {}) {
    super(message);
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The caller asked for a window that there is not: what is wrong is the request, in this field of it. */
export class WindowFailure extends ToolFailure {
  constructor(
    readonly field: 'cursor' | 'since',
    message: string,
  ) {
    super(message);
  }
}
