import { Body, Controller, Delete, Get, Param, Put } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import { SetBudget, type BudgetResponse } from './budgets.dto.js';
import { BudgetsService } from './budgets.service.js';

const BUDGET = {
  workspace_access: 1,
  period: 'month',
  max_requests: 10000,
  max_cost: 25.5,
  action: 'block',
  requests: 1250,
  cost: 0.75,
  reserved_requests: 2,
  reserved_cost: 0.0012,
  exhausted: false,
  resets_at: '2023-08-01T00:00:00Z',
};
const accessId = new IntegerParameter('workspace_access');

@ApiTags('Workspace access')
@Requires('signed-in')
@Controller('api/v1/mcp/workspace-access/:id/budget')
export class BudgetsController {
  constructor(private readonly budgets: BudgetsService) {}

  @Get()
  @ApiOperation({ summary: 'Get the budget of a grant and what is used up of it' })
  @ApiExample(200, BUDGET)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', accessId) id: number): Promise<BudgetResponse> {
    return this.budgets.get(actor, id);
  }

  @Put()
  @ApiOperation({ summary: 'Set the budget of a grant' })
  @ApiExample(200, BUDGET)
  @ApiErrors(400, 403, 404)
  set(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Body() body: SetBudget,
  ): Promise<BudgetResponse> {
    return this.budgets.set(actor, id, body);
  }

  @Delete()
  @NoContent()
  @ApiOperation({ summary: 'Remove the budget of a grant' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', accessId) id: number): Promise<void> {
    return this.budgets.remove(actor, id);
  }
}
