import { Injectable } from '@nestjs/common';
import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { invalid } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { GENERIC_FILTERS, type Scope } from '../registry/registry.service.js';
import { PoliciesService } from './policies.service.js';
import { compileScope, readTuple } from './policy/compiled-scope.js';
import type { Mark } from './policy/facts.js';
import { FiltersTooCostly } from './policy/filters.js';
import { automaticResources } from './policy/grant-policy.js';

const MOST_VALUES = 1_000;
const LONGEST_VALUE = 512;

type Filters = Record<string, unknown>;

/** `resource_filters` of a request: keys that the server type declares, of the form that it declares. */
@Injectable()
export class ResourceFiltersService {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly schemas: SchemaChecker,
    private readonly policies: PoliciesService,
  ) {}

  /** @throws DomainError 400 naming every wrong key and value */
  async check(connectionId: string, filters: Filters): Promise<void> {
    const { type } = await this.connections.policyFacts(connectionId);
    const declared = (type.scopingConfigSchema.properties ?? {}) as Filters;
    const problems: Record<string, string[]> = {};
    const report = (place: string, text: string): void => void (problems[`resource_filters${place}`] ??= []).push(text);
    const own: Filters = {};
    for (const [key, value] of Object.entries(filters)) {
      if (GENERIC_FILTERS.includes(key)) checkTexts(key, value, report);
      else if (!Object.hasOwn(declared, key)) report(`.${key}`, unknownKey(Object.keys(declared)));
      else own[key] = value;
    }
    const result = await this.schemas.check({ ...type.scopingConfigSchema, type: 'object' }, own);
    if (!result.valid && 'undecided' in result)
      report('', 'could not be checked against scoping_config_schema in time');
    else if (!result.valid) for (const { path, message } of result.errors) report(path.replaceAll('/', '.'), message);
    for (const [key, value] of Object.entries(own)) {
      if (Array.isArray(value)) checkTexts(key, value, report);
      checkForm(type.scopes, key, value, report);
    }
    if (Object.keys(problems).length > 0) throw invalid(problems);
    await this.refuseCostly(connectionId, filters);
  }

  /** Tried on what was discovered, so that whoever writes such filters learns it now. */
  private async refuseCostly(connectionId: string, filters: Filters): Promise<void> {
    const grant = { id: 0, level: 'read' as const, isActive: true, filters, marks: new Map<number, Mark>() };
    try {
      automaticResources(await this.policies.connection(connectionId), grant);
    } catch (error) {
      if (!(error instanceof FiltersTooCostly)) throw error;
      throw invalid({ resource_filters: ['take too long for what was discovered: use fewer or shorter globs'] });
    }
  }
}

type Report = (place: string, text: string) => void;

function checkTexts(key: string, value: unknown, report: Report): void {
  if (!Array.isArray(value) || value.length > MOST_VALUES)
    return report(`.${key}`, `must be an array of at most ${MOST_VALUES} texts`);
  for (const [index, text] of (value as unknown[]).entries()) {
    const isText = typeof text === 'string' && text !== '' && text.length <= LONGEST_VALUE && !NOT_STORABLE.test(text);
    if (!isText) report(`.${key}.${index}`, `must be a text of 1 to ${LONGEST_VALUE} characters`);
  }
}

/** A value that the scope can't take apart would match nothing, without a word. */
function checkForm(scopes: readonly Scope[], key: string, value: unknown, report: Report): void {
  if (!Array.isArray(value)) return;
  const readers = scopes.flatMap((scope) => compileScope(scope).filters.filter((filter) => filter.key === key));
  for (const [index, text] of (value as unknown[]).entries()) {
    const unread = readers.find(
      ({ template, parts }) => typeof text === 'string' && readTuple(template, parts, text) === null,
    );
    if (unread) report(`.${key}.${index}`, `must have the form ${unread.template.text}`);
  }
}

function unknownKey(declared: readonly string[]): string {
  return `is no filter of this server type: it has ${[...declared, ...GENERIC_FILTERS].join(', ')}`;
}
