import { Injectable } from '@nestjs/common';
import type { JsonObject } from '../../mcp/json-rpc.js';
import { ToolCatalogService, type ToolFacts } from '../discovery/tool-catalog.service.js';
import { toListedTool } from './offered-lists.service.js';
import { readSearch, searchModeTools } from './search-mode.js';
import { ToolIndex } from './tool-index.js';
import type { WorkspaceCatalog } from './workspace-catalog.service.js';

interface Searched {
  tools: ToolFacts[];
  /** From the first search on. */
  index: ToolIndex | null;
  servers: string[];
}

/** Tools that agents look for instead of being told all of them: those of their own workspace, as it is offered now. */
@Injectable()
export class ToolSearchService {
  /** For this state of a catalog, which is replaced when anything of it changes. */
  private readonly searched = new WeakMap<WorkspaceCatalog, Promise<Searched>>();

  constructor(private readonly toolCatalog: ToolCatalogService) {}

  /** What is listed instead of the tools themselves. */
  async list(catalog: WorkspaceCatalog): Promise<JsonObject> {
    return { tools: searchModeTools((await this.of(catalog)).servers) };
  }

  /** @throws DomainError `arguments_invalid` */
  async search(catalog: WorkspaceCatalog, args: unknown): Promise<JsonObject> {
    const { query, limit } = readSearch(args);
    const searched = await this.of(catalog);
    const { tools } = searched;
    searched.index ??= indexOf(tools);
    const found = searched.index.search(query, limit).flatMap((place) => {
      const tool = tools[place];
      if (!tool) return [];
      const { name, description, inputSchema } = toListedTool(tool);
      return [{ name, description, inputSchema }];
    });
    const structuredContent = { tools: found };
    return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
  }

  private of(catalog: WorkspaceCatalog): Promise<Searched> {
    const known = this.searched.get(catalog);
    if (known) return known;
    const reading = this.read(catalog);
    this.searched.set(catalog, reading);
    reading.catch(() => this.searched.delete(catalog));
    return reading;
  }

  private async read({ organizationId, tools: offered }: WorkspaceCatalog): Promise<Searched> {
    const tools = offered.size === 0 ? [] : await this.toolCatalog.ofIds(organizationId, [...offered.values()]);
    return { tools, index: null, servers: [...new Set(tools.map(({ serverId }) => serverId))] };
  }
}

function indexOf(tools: readonly ToolFacts[]): ToolIndex {
  return new ToolIndex(
    tools.map(({ publicId, title, serverName, definition }) => ({
      name: publicId,
      title,
      description: `${textOf(definition.description)} ${serverName}`,
    })),
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
