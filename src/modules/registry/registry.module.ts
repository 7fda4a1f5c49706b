import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { RegistryChangesService } from './registry-changes.service.js';
import { RegistryImportService } from './registry-import.service.js';
import { RegistryController } from './registry.controller.js';
import { RegistryService } from './registry.service.js';
import { ServerType } from './server-type.entity.js';
import { ShippedTypesService } from './shipped-types.service.js';
import { SubmittedSchemas } from './submitted-schemas.js';

/** What exists: the kinds of servers that can be connected. */
@Module({
  imports: [TypeOrmModule.forFeature([ServerType]), AuditModule],
  controllers: [RegistryController],
  providers: [RegistryChangesService, RegistryImportService, RegistryService, ShippedTypesService, SubmittedSchemas],
  exports: [RegistryService],
})
export class RegistryModule {}
