import { Injectable } from '@nestjs/common';
import { Rejected, RPC } from '../../mcp/client-message.js';
import type { JsonObject } from '../../mcp/json-rpc.js';
import { ResourcesService, type ListedResource } from '../discovery/resources.service.js';
import { ToolCatalogService, type ToolFacts } from '../discovery/tool-catalog.service.js';
import type { OfferedPrompt, OfferedResource, WorkspaceCatalog } from './workspace-catalog.service.js';

/** Entries of a page: few enough for one message, many enough that most lists are one. */
const PAGE = 500;
/** Pages that are kept of one catalog: longer lists are read from row to row. */
const MOST_PAGES = 4;

export type OfferedList = 'tools/list' | 'resources/list' | 'resources/templates/list' | 'prompts/list';

/** The lists that agents ask for, page by page (MCP 2025-11-25 and 2026-07-28, Pagination). */
@Injectable()
export class OfferedListsService {
  private readonly pages = new WeakMap<WorkspaceCatalog, Map<string, Promise<JsonObject>>>();

  constructor(
    private readonly toolCatalog: ToolCatalogService,
    private readonly resourceRows: ResourcesService,
  ) {}

  /**
   * A page as it was read once for this state of the catalog: agents ask for the same lists again and again.
   * @throws Rejected for a cursor that is none
   */
  page(catalog: WorkspaceCatalog, list: OfferedList, cursor: unknown): Promise<JsonObject> {
    const pages = this.pages.get(catalog) ?? new Map<string, Promise<JsonObject>>();
    this.pages.set(catalog, pages);
    if (cursor !== undefined && typeof cursor !== 'string') return Promise.reject(noCursor());
    const key = `${list}${cursor === undefined ? '' : ` ${cursor}`}`;
    const known = pages.get(key);
    if (known) return known;
    const page = this.read(catalog, list, cursor);
    if (pages.size < MOST_PAGES) {
      pages.set(key, page);
      page.catch(() => pages.delete(key));
    }
    return page;
  }

  private async read(catalog: WorkspaceCatalog, list: OfferedList, cursor: unknown): Promise<JsonObject> {
    switch (list) {
      case 'tools/list':
        return this.tools(catalog, cursor);
      case 'resources/list':
        return this.resources(catalog, cursor);
      case 'resources/templates/list':
        return this.templates(catalog, cursor);
      case 'prompts/list':
        return this.prompts(catalog, cursor);
    }
  }

  private async tools(catalog: WorkspaceCatalog, cursor: unknown): Promise<JsonObject> {
    const { page, next } = pageOf([...catalog.tools.values()], (id) => id, cursor);
    const facts = page.length === 0 ? [] : await this.toolCatalog.ofIds(catalog.organizationId, page);
    return { tools: facts.map(toListedTool), ...next };
  }

  private async resources(catalog: WorkspaceCatalog, cursor: unknown): Promise<JsonObject> {
    const { page, next } = pageOf([...catalog.resources.values()], ({ id }) => id, cursor);
    return { resources: await this.described(catalog, page, 'uri'), ...next };
  }

  private async templates(catalog: WorkspaceCatalog, cursor: unknown): Promise<JsonObject> {
    const { page, next } = pageOf(catalog.templates, ({ id }) => id, cursor);
    return { resourceTemplates: await this.described(catalog, page, 'uriTemplate'), ...next };
  }

  private prompts(catalog: WorkspaceCatalog, cursor: unknown): JsonObject {
    const { page, next } = pageOf([...catalog.prompts.values()], ({ id }) => id, cursor);
    return { prompts: page.map(toListedPrompt), ...next };
  }

  private async described(
    { organizationId }: WorkspaceCatalog,
    page: readonly OfferedResource[],
    address: 'uri' | 'uriTemplate',
  ): Promise<JsonObject[]> {
    const rows =
      page.length === 0
        ? []
        : await this.resourceRows.ofIds(
            organizationId,
            page.map(({ id }) => id),
          );
    const publicUris = new Map(page.map(({ id, publicUri }) => [id, publicUri]));
    return rows.map((row) => ({ [address]: publicUris.get(row.id) ?? row.uri, ...toListedResource(row) }));
  }
}

/** The entries after the one that the cursor names, in the order of their ids: what is added meanwhile moves none of them. */
function pageOf<T>(
  all: readonly T[],
  idOf: (entry: T) => number,
  cursor: unknown,
): { page: T[]; next: { nextCursor?: string } } {
  const after = cursor === undefined ? -1 : readCursor(cursor);
  const start = all.findIndex((entry) => idOf(entry) > after);
  const page = start < 0 ? [] : all.slice(start, start + PAGE);
  const last = page.at(-1);
  const isMore = last !== undefined && start + PAGE < all.length;
  return { page, next: isMore ? { nextCursor: Buffer.from(String(idOf(last))).toString('base64url') } : {} };
}

function noCursor(): Rejected {
  return new Rejected(200, RPC.invalidParams, 'cursor must be one that a list gave');
}

function readCursor(cursor: unknown): number {
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
  if (!/^\d{1,10}$/.test(text)) throw noCursor();
  return Number(text);
}

/** Clients refuse a list of which one schema is no object's. */
export function toListedTool({ publicId, definition }: ToolFacts): JsonObject {
  const { inputSchema } = definition;
  return {
    ...definition,
    name: publicId,
    inputSchema: inputSchema.type === 'object' ? inputSchema : { ...inputSchema, type: 'object' },
  };
}

function toListedPrompt({ publicName, definition }: OfferedPrompt): JsonObject {
  return { ...definition, name: publicName };
}

function toListedResource({ name, description, mimeType, listed }: ListedResource): JsonObject {
  return {
    name,
    ...(description === '' ? {} : { description }),
    ...(mimeType === null ? {} : { mimeType }),
    ...listed,
  };
}
