import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Readable } from 'node:stream';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import type { Page } from '../../platform/http/paging.js';
import { toCsv } from './usage-export.js';
import { UsageSummaryService } from './usage-summary.service.js';
import { ListUsage, SummarizeUsage, UsageFilter, type UsageResponse, type UsageSummary } from './usage.dto.js';
import { UsageService } from './usage.service.js';

const RECORD = {
  id: 1,
  workspace_access: 1,
  resource: { id: 1, resource_name: 'Project Issues', resource_type: 'issue' },
  usage_date: '2023-07-14',
  request_count: 150,
  error_count: 2,
  avg_response_time: 0.45,
  data_transferred: 2048,
  cost: 0.05,
  denied_count: 0,
  unknown_count: 0,
  workspace: '123e4567-e89b-12d3-a456-426614174333',
  connection: '123e4567-e89b-12d3-a456-426614174000',
};
const PART = { requests: 800, errors: 10, avg_response_time: 0.48 };
const SIZED = { ...PART, data_transferred: 15360, cost: 0.75 };
const SUMMARY = {
  total_requests: 1250,
  total_errors: 15,
  avg_response_time: 0.52,
  total_data_transferred: 15360,
  total_cost: 0.75,
  denied_requests: 3,
  unknown_requests: 0,
  by_resource_type: { issue: PART, project: { requests: 450, errors: 5, avg_response_time: 0.6 } },
  by_day: [{ date: '2023-07-14', ...SIZED }],
  by_connection: [
    { connection: { id: '123e4567-e89b-12d3-a456-426614174000', connection_name: 'Acme Jira' }, ...SIZED },
  ],
  by_tool: [{ tool: { id: 7, name: 'search_issues' }, ...SIZED }],
};
const CSV =
  'usage_date,workspace,workspace_access,connection,resource,resource_name,resource_type,request_count,error_count,' +
  'denied_count,unknown_count,avg_response_time,data_transferred,cost\r\n' +
  '2023-07-14,123e4567-e89b-12d3-a456-426614174333,1,123e4567-e89b-12d3-a456-426614174000,1,Project Issues,issue,150,2,0,0,0.45,2048,0.05\r\n';
const ROWS_AT_ONCE = 1_000;

@ApiTags('Usage')
@Requires('signed-in')
@Controller('api/v1/mcp/usage')
export class UsageController {
  constructor(
    private readonly usage: UsageService,
    private readonly summaries: UsageSummaryService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List usage records: per grant, resource and UTC day' })
  @ApiExample(200, [RECORD])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListUsage): Promise<Page<UsageResponse>> {
    return this.usage.list(actor, query);
  }

  @Get('summary')
  @ApiOperation({ summary: 'Summarize usage' })
  @ApiExample(200, SUMMARY)
  @ApiErrors(400)
  summary(@CurrentActor() actor: Actor, @Query() query: SummarizeUsage): Promise<UsageSummary> {
    return this.summaries.summarize(actor, query);
  }

  @Get('export')
  @ApiOperation({ summary: 'All usage records that the filters leave, as CSV' })
  @ApiResponse({
    status: 200,
    description: 'CSV with a header',
    content: { 'text/csv': { example: CSV } },
  })
  @ApiErrors(400)
  export(@CurrentActor() actor: Actor, @Query() query: UsageFilter): StreamableFile {
    return new StreamableFile(Readable.from(toCsv(this.usage.all(actor, query, ROWS_AT_ONCE))), {
      type: 'text/csv; charset=utf-8',
      disposition: 'attachment; filename="usage.csv"',
    });
  }
}
