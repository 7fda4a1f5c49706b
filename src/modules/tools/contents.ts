import { itemsPageIn } from '../../mcp/provider-meta.js';
import { DomainError } from '../../platform/http/domain-error.js';

/** A part of a tool's answer or of a resource, as the upstream sent it (MCP 2025-11-25, ContentBlock and ResourceContents). */
export type Part = Record<string, unknown>;

export interface ToolAnswer {
  /** The text parts, joined by line breaks. */
  result: string;
  content: Part[];
  structured_content?: unknown;
  is_error: boolean;
}

export interface ResourceAnswer {
  /** Text, or base64 where `encoding` says so. */
  content: string;
  encoding?: 'base64';
  mime_type?: string;
  /** All parts, where the resource has several. */
  contents?: Part[];
  /** Of a list of items: the `since` of the next reading; null where there was nothing. */
  checkpoint?: string | null;
  /** Of a list of items: there is more. */
  next_cursor?: string;
}

/** @throws DomainError `upstream_error` for a result that is none */
export function toToolAnswer(result: unknown): ToolAnswer {
  if (!isPart(result)) throw none('tool result');
  const content = Array.isArray(result.content) ? result.content.filter(isPart) : [];
  if (content.length === 0 && result.structuredContent === undefined && !Array.isArray(result.content))
    throw none('tool result');
  const answer: ToolAnswer = {
    result: content
      .filter((part) => part.type === 'text' && typeof part.text === 'string')
      .map((part) => part.text as string)
      .join('\n'),
    content,
    is_error: result.isError === true,
  };
  if (result.structuredContent !== undefined) answer.structured_content = result.structuredContent;
  return answer;
}

/** @throws DomainError `upstream_error` for a result that is none */
export function toResourceAnswer(result: unknown): ResourceAnswer {
  if (!isPart(result) || !Array.isArray(result.contents)) throw none('resource');
  const parts = result.contents.filter(isPart);
  const texts = parts.map((part) => part.text).filter((text): text is string => typeof text === 'string');
  const binary = texts.length === 0 ? parts.find((part) => typeof part.blob === 'string') : undefined;
  const answer: ResourceAnswer = binary
    ? { content: binary.blob as string, encoding: 'base64' }
    : { content: texts.join('\n') };
  const mimeType = (binary ?? parts[0])?.mimeType;
  if (typeof mimeType === 'string') answer.mime_type = mimeType;
  if (parts.length > 1) answer.contents = parts;
  const page = itemsPageIn(result);
  if (page) answer.checkpoint = page.checkpoint;
  if (page?.nextCursor !== undefined) answer.next_cursor = page.nextCursor;
  return answer;
}

/** `type` of a listed resource, by its media type. */
export function resourceTypeOf(mediaType: string | null): string {
  const essence = (mediaType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (essence === '') return 'text';
  if (/^(application\/json|text\/json|application\/.+\+json)$/.test(essence)) return 'json';
  if (essence === 'text/markdown' || essence === 'text/x-markdown') return 'markdown';
  if (essence === 'text/html' || essence === 'application/xhtml+xml') return 'html';
  if (essence.startsWith('image/')) return 'image';
  if (essence.startsWith('audio/')) return 'audio';
  const isText =
    essence.startsWith('text/') || /^application\/(.+\+)?(xml|yaml|x-yaml|javascript|sql|toml)$/.test(essence);
  return isText ? 'text' : 'binary';
}

function none(what: string): DomainError {
  return new DomainError('upstream_error', `The server answered with something that is no ${what}`, {
    reason: 'protocol_error',
  });
}

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
