import { EgressError } from '../../platform/egress/egress-error.js';
import type { UpstreamReason } from '../../mcp/upstream.js';
import { ToolFailure, type FailureDetails } from '../kit/tool.js';
import { objectIn, textIn, type Json } from './github-json.js';

/** An answer of GitHub that was no success, in words for the caller. */
export class GitHubFailure extends ToolFailure {
  constructor(
    readonly status: number,
    message: string,
    details?: FailureDetails,
  ) {
    super(message, details);
  }
}

const NOT_THERE = 'GitHub has nothing there, or the token may not see it';

/** The same words for what is not there, what the token may not see, and what has become another repository. */
export function notThere(status = 404): GitHubFailure {
  return new GitHubFailure(status, NOT_THERE);
}

export function unreadable(): GitHubFailure {
  return new GitHubFailure(502, 'GitHub answered with something that is not what its API answers');
}

/** What a status says of GitHub or the token; undefined where it is the question that was wrong. */
export function reasonOf(status: number): UpstreamReason | undefined {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'server_error' : undefined;
}

const LONGEST_TEXT = 500;

/** GitHub REST API, Validation errors: https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api */
const CODES: Readonly<Record<string, string>> = {
  missing: 'does not exist',
  missing_field: 'is missing',
  invalid: 'is not valid',
  already_exists: 'is there already',
  unprocessable: 'can not be used',
};

/** Of an API's answer; what is written again by JSON.stringify, which goes down by calls, ends the stack some thousands deeper. */
const DEEPEST = 200;

/** A body as it came; undefined where it is not JSON, or none that an API answers. */
export function documentIn(body: unknown): unknown {
  if (typeof body !== 'string' || isDeeper(body, DEEPEST)) return undefined;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** Brackets within texts are none. Character by character: a pattern takes minutes for texts that do not end. */
function isDeeper(json: string, deepest: number): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length && depth <= deepest; at++) {
    const character = json[at];
    if (character === '"') isText = !isText;
    else if (isText) at += character === '\\' ? 1 : 0;
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
  }
  return depth > deepest;
}

/**
 * What the client threw, without the client's error: that carries the request with its headers.
 * @param token taken out of whatever the answer says
 * @returns GitHubFailure or ToolFailure for an answer, EgressError where there was none
 */
export function failureOf(error: unknown, { token, isWrite }: { token: string; isWrite: boolean }): Error {
  if (error instanceof EgressError || error instanceof ToolFailure) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  const { cause, response, status } = (error ?? {}) as { cause?: unknown; response?: unknown; status?: unknown };
  if (cause instanceof EgressError || cause instanceof ToolFailure) return cause;
  if (response === undefined || typeof status !== 'number') return unreadable();
  const { headers, data } = response as { headers: Json; data: unknown };
  const text = wordsOf(status, headers, objectIn(documentIn(data)));
  const doubt = isWrite && status >= 500 ? '. It may have been carried out all the same: look first' : '';
  return new GitHubFailure(status, plain(text, token) + doubt, detailsOf(status, headers));
}

function detailsOf(status: number, headers: Json): FailureDetails {
  const reason = reasonOf(status);
  const seconds = textIn(headers['retry-after']) ?? '';
  return { ...(reason && { reason }), ...(/^\d{1,4}$/.test(seconds) && { retryAfterSeconds: Number(seconds) }) };
}

function wordsOf(status: number, headers: Json, data: Json): string {
  const said = saidBy(data);
  switch (status) {
    case 401:
      return 'GitHub does not accept the token: it is wrong, expired or revoked';
    case 403:
      return forbidden(headers, said);
    case 404:
      return NOT_THERE;
    case 409:
      return `GitHub sees a conflict with how things stand${after(said)}`;
    case 410:
      return `This is gone, or switched off for the repository${after(said)}`;
    case 422:
      return `GitHub can not take this${after(said)}`;
    case 429:
      return slowDown(headers);
  }
  if (status >= 500) return `GitHub has a problem of its own (${status}): try again later`;
  return `GitHub refused this (${status})${after(said)}`;
}

function forbidden(headers: Json, said: string): string {
  if (textIn(headers['x-github-sso'])?.startsWith('required'))
    return 'The organization asks for single sign-on: authorize the token for it at GitHub, in the settings of tokens';
  const rights = textIn(headers['x-accepted-github-permissions']) ?? textIn(headers['x-accepted-oauth-scopes']) ?? '';
  const needed = rights === '' ? '' : `. It takes one of these rights: ${rights}`;
  return `The token may not do this${after(said)}${needed}`;
}

function slowDown(headers: Json): string {
  const seconds = textIn(headers['retry-after']);
  return `GitHub asks to slow down: try again ${seconds === null ? 'in a minute' : `in ${seconds} s`}`;
}

/** `message` and `errors` of an error body. HTML and other texts are none of the API's own, so they say nothing. */
function saidBy(data: Json): string {
  const errors = Array.isArray(data.errors) ? data.errors.slice(0, 10).map(errorWords) : [];
  return [textIn(data.message) ?? '', errors.filter((words) => words !== '').join('; ')]
    .filter((part) => part !== '')
    .join(': ');
}

function errorWords(error: unknown): string {
  if (typeof error === 'string') return error;
  const { field, resource, code, message } = objectIn(error);
  const told = textIn(message) ?? CODES[textIn(code) ?? ''] ?? textIn(code) ?? '';
  const about = textIn(field) ?? textIn(resource);
  return about === null || told.includes(about) ? told : `${about} ${told}`.trim();
}

function after(said: string): string {
  return said === '' ? '' : `: ${said}`;
}

function plain(text: string, token: string): string {
  const bare = text.replaceAll(token, '[token]').slice(0, 10 * LONGEST_TEXT);
  const line = bare.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]+/gu, ' ');
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}...` : line;
}
