import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { organizationIds, type Actor } from '../../platform/auth/actor.js';
import { Database } from '../../platform/database/transaction.js';
import { toMeResponse, type MeResponse } from './auth.dto.js';
import { Organization } from './organization.entity.js';
import { Workspace } from './workspace.entity.js';

@Injectable()
export class ProfileService {
  constructor(private readonly database: Database) {}

  async me(actor: Actor): Promise<MeResponse> {
    const [organizations, workspaces] = await Promise.all([
      this.database.manager.findBy(Organization, { id: In(organizationIds(actor)) }),
      this.database.manager.findBy(Workspace, { id: In([...actor.workspaces.keys()]) }),
    ]);
    return toMeResponse(actor, organizations, workspaces);
  }
}
