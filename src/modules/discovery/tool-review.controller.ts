import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Decide, SetEffect, ToolOrganization, type DiffResponse, type ReviewResponse } from './reviews.dto.js';
import { DIFF, REVIEW, REVIEWED } from './reviews.examples.js';
import { ToolReviewService } from './tool-review.service.js';

@ApiTags('MCP tools')
@Requires('signed-in')
@Controller('mcp/tools')
export class ToolReviewController {
  constructor(private readonly reviews: ToolReviewService) {}

  @Patch(':id')
  @ApiOperation({ summary: "Set a tool's effect, whatever its type and its server say; null takes it back" })
  @ApiExample(200, { ...REVIEW, effect: 'read', effect_override: 'read' })
  @ApiErrors(400, 403, 404, 409)
  setEffect(
    @CurrentActor() actor: Actor,
    @Param('id') id: string,
    @Query() query: ToolOrganization,
    @Body() body: SetEffect,
  ): Promise<ReviewResponse> {
    return this.reviews.setEffect(actor, id, query.organization, body);
  }

  @Post(':id/review')
  @HttpCode(200)
  @ApiOperation({ summary: 'Approve or reject the latest definition of a tool' })
  @ApiExample(200, REVIEWED)
  @ApiErrors(400, 403, 404, 409)
  decide(
    @CurrentActor() actor: Actor,
    @Param('id') id: string,
    @Query() query: ToolOrganization,
    @Body() body: Decide,
  ): Promise<ReviewResponse> {
    return this.reviews.decide(actor, id, query.organization, body);
  }

  @Get(':id/diff')
  @ApiOperation({ summary: "What changed in a tool's definition, and what is suspicious about it" })
  @ApiExample(200, DIFF)
  @ApiErrors(403, 404, 409)
  diff(@CurrentActor() actor: Actor, @Param('id') id: string, @Query() query: ToolOrganization): Promise<DiffResponse> {
    return this.reviews.diff(actor, id, query.organization);
  }
}
