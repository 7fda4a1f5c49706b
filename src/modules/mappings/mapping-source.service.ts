import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { invalid, notFound } from '../../platform/http/domain-error.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { ToolCatalogService } from '../discovery/tool-catalog.service.js';
import { VisibilityService } from '../workspace-access/visibility.service.js';
import { requireReading } from './item-reader.service.js';

/** What a mapping may read. */
@Injectable()
export class MappingSourceService {
  constructor(
    private readonly resources: ResourcesService,
    private readonly tools: ToolCatalogService,
    private readonly visibility: VisibilityService,
  ) {}

  /**
   * What somebody does not see is not there for them: its name would be told otherwise.
   * @throws DomainError 404, 400, 403
   */
  async check(
    actor: Actor,
    { organizationId, connectionId }: { organizationId: string; connectionId: string },
    resourceId: number,
  ): Promise<void> {
    await this.resources.get((await this.visibility.of(actor)).resources, resourceId);
    const resource = await this.resources.details(organizationId, resourceId);
    if (resource?.connectionId !== connectionId) throw notFound('resource', resourceId);
    if (resource.kind !== 'resource' && resource.kind !== 'tool')
      throw invalid({ resource: ['must be a resource or a tool: this can not be read by itself'] });
    const tool = resource.kind === 'tool' ? await this.tools.byId(resourceId) : null;
    if (tool) requireReading(tool.effect);
  }
}
