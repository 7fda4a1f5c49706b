import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import { Decide, ListReviews, type ReviewResponse, type ReviewWithDiff } from './reviews.dto.js';
import { DIFF, REVIEW, REVIEWED } from './reviews.examples.js';
import { ReviewsService } from './reviews.service.js';

const reviewId = new IntegerParameter('review');

@ApiTags('Definition reviews')
@Requires('signed-in')
@Controller('api/v1/mcp/reviews')
export class ReviewsController {
  constructor(private readonly reviews: ReviewsService) {}

  @Get()
  @ApiOperation({ summary: 'List the definitions of tools, prompts and instructions with what was decided on them' })
  @ApiExample(200, [REVIEW])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListReviews): Promise<Page<ReviewResponse>> {
    return this.reviews.list(actor, query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'What changed in a definition, and what is suspicious about it' })
  @ApiExample(200, { ...REVIEW, ...DIFF })
  @ApiErrors(403, 404)
  get(@CurrentActor() actor: Actor, @Param('id', reviewId) id: number): Promise<ReviewWithDiff> {
    return this.reviews.get(actor, id);
  }

  @Post(':id')
  @HttpCode(200)
  @ApiOperation({ summary: 'Approve or reject the latest definition' })
  @ApiExample(200, REVIEWED)
  @ApiErrors(400, 403, 404, 409)
  decide(
    @CurrentActor() actor: Actor,
    @Param('id', reviewId) id: number,
    @Body() body: Decide,
  ): Promise<ReviewResponse> {
    return this.reviews.decide(actor, id, body);
  }
}
