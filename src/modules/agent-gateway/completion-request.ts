import { Rejected, RPC } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { variablesOf } from '../../mcp/uri-template.js';
import type { CompletionTarget } from '../workspace-access/access-decisions.service.js';
import type { Completable } from '../tools/invocation.service.js';
import type { WorkspaceCatalog } from './workspace-catalog.service.js';

const LONGEST_VALUE = 2_048;

/** What is to be completed, as the policy wants it, and as it leaves. */
export interface CompletionRequest {
  target: CompletionTarget & Completable;
  params: JsonObject;
}

/** What can be named in `ref`, and by what its server knows it. */
type Referred = Pick<CompletionTarget, 'resourceId' | 'uri' | 'kind'> &
  Completable & { ref: JsonObject; names: string[] };

/**
 * Reads `completion/complete` (MCP 2025-11-25 and 2026-07-28, Completion). Only what the prompt or template itself names is passed on.
 * @throws Rejected
 */
export function readCompletion(catalog: WorkspaceCatalog, params: JsonObject): CompletionRequest {
  const { ref, names, ...target } = referred(catalog, isObject(params.ref) ? params.ref : {});
  const { argument, context } = params;
  if (!isObject(argument) || typeof argument.name !== 'string' || !isValue(argument.value))
    throw invalid(`params.argument must have a name and a value, strings of at most ${LONGEST_VALUE} characters`);
  const { name, value } = argument;
  if (!names.includes(name)) throw invalid(`${target.named.slice(0, 200)} has no argument ${name.slice(0, 200)}`);
  const chosen = isObject(context) ? (context.arguments ?? {}) : {};
  if ((context !== undefined && !isObject(context)) || !isObject(chosen) || !Object.values(chosen).every(isValue))
    throw invalid(`params.context.arguments must be an object of strings of at most ${LONGEST_VALUE} characters`);
  const known = Object.entries(chosen).filter((entry): entry is [string, string] => names.includes(entry[0]));
  return {
    target: { ...target, argument: name, context: new Map(known) },
    params: {
      ref,
      argument: { name, value },
      ...(known.length === 0 ? {} : { context: { arguments: Object.fromEntries(known) } }),
    },
  };
}

function referred(catalog: WorkspaceCatalog, { type, name, uri }: JsonObject): Referred {
  if (type === 'ref/prompt' && typeof name === 'string') {
    const prompt = catalog.prompts.get(name);
    if (!prompt) throw invalid(`Unknown prompt: ${name.slice(0, 200)}`);
    const { id, definition, connectionId, organizationId, blocked } = prompt;
    const names = (definition.arguments ?? []).flatMap((each) =>
      isObject(each) && typeof each.name === 'string' ? each.name : [],
    );
    const ref = { type, name: definition.name };
    return {
      resourceId: id,
      uri: prompt.uri,
      kind: 'prompt',
      connectionId,
      organizationId,
      blocked,
      named: name,
      ref,
      names,
    };
  }
  if (type === 'ref/resource' && typeof uri === 'string') {
    const template = catalog.templates.find(({ publicUri }) => publicUri === uri);
    if (!template) throw invalid('Unknown resource template', { uri: uri.slice(0, LONGEST_VALUE) });
    const { id, connectionId } = template;
    const { organizationId } = catalog;
    const ref = { type, uri: template.uri };
    const names = variablesOf(template.uri);
    return {
      resourceId: id,
      uri: template.uri,
      kind: 'template',
      connectionId,
      organizationId,
      blocked: null,
      named: uri,
      ref,
      names,
    };
  }
  throw invalid('params.ref must be {"type": "ref/prompt", "name"} or {"type": "ref/resource", "uri"}');
}

function isValue(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_VALUE;
}

function invalid(message: string, data?: unknown): Rejected {
  return new Rejected(200, RPC.invalidParams, message, data);
}
