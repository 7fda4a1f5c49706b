import { Controller, Get, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { validate as isUuid } from 'uuid';
import { Public } from '../../platform/auth/decorators.js';
import { Environment } from '../../platform/config/environment.js';
import { notFound } from '../../platform/http/domain-error.js';
import { AdmissionService, METADATA_PATH } from './admission.service.js';

interface ProtectedResource {
  resource: string;
  resource_name: string;
  bearer_methods_supported: string[];
  /** Left out where tokens come from the product itself: there is no authorization server to go to. */
  authorization_servers?: string[];
}

/** OAuth 2.0 Protected Resource Metadata (RFC 9728). The same for any id: it tells nobody which workspaces there are. */
@ApiExcludeController()
@Public()
@Controller(`${METADATA_PATH}/mcp/workspaces`)
export class ProtectedResourceController {
  constructor(
    private readonly environment: Environment,
    private readonly admission: AdmissionService,
  ) {}

  @Get(':workspace')
  get(@Param('workspace') workspace: string): ProtectedResource {
    if (!isUuid(workspace)) throw notFound('workspace', workspace.slice(0, 200));
    const { JWT_JWKS_URL, JWT_ISSUER } = this.environment;
    return {
      resource: this.admission.resourceOf(workspace.toLowerCase()),
      resource_name: 'MCP control plane',
      bearer_methods_supported: ['header'],
      ...(JWT_JWKS_URL ? { authorization_servers: [JWT_ISSUER] } : {}),
    };
  }
}
