import { Injectable } from '@nestjs/common';
import { invalid, notFound } from '../../platform/http/domain-error.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { ToolCatalogService } from '../discovery/tool-catalog.service.js';
import { requireReading } from './item-reader.service.js';

/** What a mapping may read. */
@Injectable()
export class MappingSourceService {
  constructor(
    private readonly resources: ResourcesService,
    private readonly tools: ToolCatalogService,
  ) {}

  /** @throws DomainError 404, 400, 403 */
  async check(organizationId: string, connectionId: string, resourceId: number): Promise<void> {
    const resource = await this.resources.details(organizationId, resourceId);
    if (resource?.connectionId !== connectionId) throw notFound('resource', resourceId);
    if (resource.kind !== 'resource' && resource.kind !== 'tool')
      throw invalid({ resource: ['must be a resource or a tool: this can not be read by itself'] });
    const tool = resource.kind === 'tool' ? await this.tools.byId(resourceId) : null;
    if (tool) requireReading(tool.effect);
  }
}
