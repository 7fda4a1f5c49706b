import { ToolFailure } from '../kit/tool.js';

const PROJECT_KEY = /^[A-Za-z][A-Za-z0-9_]{0,254}$/;
const ISSUE_KEY = /^([A-Za-z][A-Za-z0-9_]{0,254})-([1-9]\d{0,17})$/;

export const PROJECT_KEY_PATTERN = PROJECT_KEY.source;
export const ISSUE_KEY_PATTERN = ISSUE_KEY.source;

/** `DEV` of `DEV-1`; null for what is no key of an issue. */
export function projectOfKey(key: string): string | null {
  return ISSUE_KEY.exec(key)?.[1] ?? null;
}

export function isProjectKey(text: string): boolean {
  return PROJECT_KEY.test(text);
}

export function isSameKey(one: string, other: string): boolean {
  return one.toUpperCase() === other.toUpperCase();
}

/** Keys as they are compared. */
export type ProjectKeys = ReadonlySet<string>;

export function projectKeys(keys: readonly string[]): ProjectKeys {
  return new Set(keys.map((key) => key.toUpperCase()));
}

export function isIssueOf(key: unknown, projects: ProjectKeys): boolean {
  const project = typeof key === 'string' ? projectOfKey(key) : null;
  return project !== null && projects.has(project.toUpperCase());
}

/** The same for an issue that is not there, that the account can't see, and that has moved elsewhere. */
export function noSuchIssue(key: string): ToolFailure {
  return new ToolFailure(`${key} does not exist or is not visible`);
}

export function noSuchProject(key: string): ToolFailure {
  return new ToolFailure(`The project ${key} does not exist or is not visible`);
}
