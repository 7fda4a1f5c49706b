import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { RegistryController } from './registry.controller.js';
import { RegistryService } from './registry.service.js';
import { ServerType } from './server-type.entity.js';
import { SubmittedSchemas } from './submitted-schemas.js';

/** What exists: the kinds of servers that can be connected. */
@Module({
  imports: [TypeOrmModule.forFeature([ServerType])],
  controllers: [RegistryController],
  providers: [RegistryService, SubmittedSchemas],
  exports: [RegistryService],
})
export class RegistryModule {}
