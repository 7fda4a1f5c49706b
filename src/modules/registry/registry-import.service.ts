import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { RegistryChangesService } from './registry-changes.service.js';
import { ImportServerType } from './registry-import.dto.js';
import type { ServerTypeDetails } from './registry.dto.js';
import { readServerJson } from './server-json.js';

/** Makes server types of documents of the official MCP registry, by the one way in which types are made. */
@Injectable()
export class RegistryImportService {
  constructor(private readonly changes: RegistryChangesService) {}

  /** Connects to nothing and starts nothing: the type is what the document says, checked like any other. */
  async import(
    actor: Actor,
    { organization, source }: ImportServerType,
    document: unknown,
  ): Promise<ServerTypeDetails> {
    const { body, place } = readServerJson(document, source);
    return this.changes.create(actor, { ...body, organization }).catch((error: unknown) => {
      throw error instanceof DomainError ? toldOfDocument(error, place) : error;
    });
  }
}

/** The schema was made from the entry, so whatever is wrong with it is wrong there. */
function toldOfDocument(error: DomainError, place: string): DomainError {
  if (error.code !== 'schema_refused') return error;
  const texts = Object.values(error.details.fields as Record<string, string[]>).flat();
  return new DomainError(error.code, error.message, { fields: { [place]: texts } });
}
