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

/** A tool error (MCP, CallToolResult `isError`): a text for its reader, without credentials. */
export class ToolFailure extends Error {}
