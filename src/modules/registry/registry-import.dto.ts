import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsUUID } from 'class-validator';
import { lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import type { ImportSource } from './server-json.js';

/** The body is the document alone, so what else there is to say stands in the query. */
export class ImportServerType {
  @ApiPropertyOptional({
    format: 'uuid',
    description: 'Organization the type is private to; left out by operators for a global type',
  })
  @MayBeLeftOut()
  @Transform(lowerCased)
  @IsUUID()
  organization?: string;

  @ApiPropertyOptional({
    enum: ['remote', 'package'],
    description:
      'Which kind of entry to take; left out: the first remote that can be used, else the first package that can',
  })
  @MayBeLeftOut()
  @IsIn(['remote', 'package'])
  source?: ImportSource;
}

export const SERVER_JSON = {
  $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
  name: 'io.github.acme/wiki',
  title: 'Acme Wiki',
  description: 'Pages of the Acme wiki',
  version: '1.2.0',
  remotes: [
    {
      type: 'streamable-http',
      url: 'https://{tenant}.wiki.example.com/mcp',
      variables: { tenant: { description: 'Name of the tenant', isRequired: true } },
      headers: [
        {
          name: 'Authorization',
          value: 'Bearer {token}',
          isRequired: true,
          variables: { token: { description: 'API token', isRequired: true, isSecret: true } },
        },
      ],
    },
  ],
};
