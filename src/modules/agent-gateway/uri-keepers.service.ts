import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';

interface KeeperRow {
  uri: string;
  connection_id: string;
}

/**
 * Which connection a URI means, where several of a workspace offer it: decided once and kept, so that what agents know by a name is
 * never something else one day, whatever becomes of the grants.
 */
@Injectable()
export class UriKeepersService {
  constructor(private readonly database: Database) {}

  /**
   * All that was ever decided in the workspace, by URI.
   * @param contested URIs that several connections offer now, each with the one that gets it unless another one has it
   */
  async of(
    organizationId: string,
    workspaceId: string,
    contested: ReadonlyMap<string, string>,
  ): Promise<ReadonlyMap<string, string>> {
    const { manager } = this.database;
    const read = async (): Promise<Map<string, string>> => {
      const rows = await manager.query<KeeperRow[]>(
        'SELECT uri, connection_id FROM uri_keepers WHERE workspace_id = $1 AND organization_id = $2',
        [workspaceId, organizationId],
      );
      return new Map(rows.map(({ uri, connection_id }) => [uri, connection_id]));
    };
    const kept = await read();
    const undecided = [...contested].filter(([uri]) => !kept.has(uri));
    if (undecided.length === 0) return kept;
    // Replicas decide at the same time: one of them is heard.
    await manager.query(
      `INSERT INTO uri_keepers (organization_id, workspace_id, uri, connection_id)
       SELECT $1, $2, uri, connection_id FROM unnest($3::text[], $4::uuid[]) AS c(uri, connection_id)
       ON CONFLICT (workspace_id, md5(uri)) DO NOTHING`,
      [organizationId, workspaceId, undecided.map(([uri]) => uri), undecided.map(([, connection]) => connection)],
    );
    return read();
  }
}
