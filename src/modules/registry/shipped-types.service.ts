import { Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import { Environment } from '../../platform/config/environment.js';
import { columns } from '../../platform/database/columns.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { AuditService } from '../audit/audit.service.js';
import { ServerType } from './server-type.entity.js';
import { FIRST_OWN_ID, shippedTypes } from './shipped-types.js';

interface Renamed {
  id: number;
  old_name: string;
  new_name: string;
}

/** Brings the types that ship up to the version of this product. */
@Injectable()
export class ShippedTypesService implements OnApplicationBootstrap {
  private readonly logger = new Logger('registry');

  constructor(
    private readonly database: Database,
    private readonly environment: Environment,
    private readonly audit: AuditService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const shipped = shippedTypes(this.environment.STDIO_ENABLED);
    const names = shipped.map((type) => type.qualifiedName);
    const rows = shipped.map((type) => columns<ServerType>({ ...type, organizationId: null }));
    await this.database.transaction(async (transaction) => {
      const renamed = await makeRoom(transaction, names);
      await transaction.manager.upsert(ServerType, rows, ['id']);
      for (const type of renamed) {
        this.logger.warn({ type }, 'a server type was renamed: the product ships one of this name');
        await this.audit.record(transaction, null, {
          organizationId: null,
          action: 'server_type.updated',
          object: { type: 'server_type', id: type.id },
          before: { qualified_name: type.old_name },
          after: { qualified_name: type.new_name },
        });
      }
    });
  }
}

/** A global type that operators made before a newer version shipped one of that name gets another name; connections keep it. */
async function makeRoom({ manager }: Transaction, names: string[]): Promise<Renamed[]> {
  const [renamed] = await manager.query<[Renamed[], number]>(
    `UPDATE server_types t SET qualified_name = left(t.qualified_name, 100) || '-' || t.id
       FROM server_types old WHERE old.id = t.id AND t.organization_id IS NULL AND t.id >= $1 AND t.qualified_name = ANY($2)
     RETURNING t.id, old.qualified_name AS old_name, t.qualified_name AS new_name`,
    [FIRST_OWN_ID, names],
  );
  return renamed;
}
