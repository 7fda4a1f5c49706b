import { ToolFailure, type ObjectSchema } from '../kit/tool.js';
import { timeIn } from './github-json.js';
import { repositoryName, type RepositoryName } from './repository-name.js';

/** Arguments of a call. The control plane has checked them against the tool's schema; an agent beside it has not. */
export class ToolArguments {
  constructor(private readonly args: Record<string, unknown>) {}

  /** @throws ToolFailure for what can be no repository */
  repository(): RepositoryName {
    const name = repositoryName(this.text('owner'), this.text('repo'));
    if (name === null) throw new ToolFailure('owner and repo are not the names of a repository at GitHub');
    return name;
  }

  text(name: string): string {
    return this.optionalText(name) ?? refuse(name, 'is missing');
  }

  optionalText(name: string): string | undefined {
    const value = this.valueOf(name);
    if (value !== undefined && typeof value !== 'string') return refuse(name, 'must be a text');
    return value;
  }

  /** One or more. */
  number(name: string): number {
    return this.optionalNumber(name) ?? refuse(name, 'is missing');
  }

  optionalNumber(name: string): number | undefined {
    const value = this.valueOf(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
      return refuse(name, 'must be a number of 1 or more');
    return value;
  }

  texts(name: string): string[] | undefined {
    const value = this.valueOf(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((text) => typeof text === 'string'))
      return refuse(name, 'must be a list of texts');
    return value;
  }

  time(name: string): string | undefined {
    const value = this.optionalText(name);
    return value === undefined
      ? undefined
      : (timeIn(value) ?? refuse(name, 'must be a time such as 2026-01-31T12:00:00Z'));
  }

  /** One of a few words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const value = this.optionalText(name);
    if (value === undefined) return undefined;
    return words.find((word) => word === value) ?? refuse(name, `must be one of ${words.join(', ')}`);
  }

  /** Null says as little as nothing. */
  private valueOf(name: string): unknown {
    return (Object.hasOwn(this.args, name) ? this.args[name] : undefined) ?? undefined;
  }
}

function refuse(name: string, why: string): never {
  throw new ToolFailure(`${name} ${why}`);
}

type Properties = Record<string, Record<string, unknown>>;

export function inputOf(properties: Properties, required: readonly string[]): ObjectSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

/** Further members are GitHub's own fields. */
export function outputOf(properties: Properties, required: readonly string[] = Object.keys(properties)): ObjectSchema {
  return { type: 'object', properties, required };
}

export const text = (description: string, maxLength = 1_024): Record<string, unknown> => ({
  type: 'string',
  minLength: 1,
  maxLength,
  description,
});

export const REPOSITORY_INPUT: Properties = {
  owner: text('User or organization that has the repository', 100),
  repo: text('Name of the repository, without its owner', 100),
};
export const CURSOR_INPUT: Properties = { cursor: text('next_cursor of the page before', 4_096) };
export const NUMBER = { type: 'integer', minimum: 1, maximum: 2_147_483_647 };

const STRING = { type: 'string' };
export const NUMBERED_PROPERTIES: Properties = {
  id: STRING,
  number: { type: 'integer' },
  issue_id: { ...STRING, description: 'owner/repo#number' },
  title: STRING,
  url: STRING,
  status: { enum: ['open', 'closed', 'merged'] },
  updated_at: { ...STRING, description: 'ISO 8601, UTC' },
  project: { ...STRING, description: 'owner/repo' },
};

/** A page of what stands under one name. */
export function pageOf(name: string, item: ObjectSchema): ObjectSchema {
  const properties = { [name]: { type: 'array', items: item }, next_cursor: STRING };
  return outputOf(properties, [name]);
}

export const NUMBERED_OUTPUT = outputOf(NUMBERED_PROPERTIES);
export const READS = { readOnlyHint: true, openWorldHint: true };
