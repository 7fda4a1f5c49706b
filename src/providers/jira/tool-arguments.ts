import { ToolFailure } from '../kit/tool.js';
import { isProjectKey, projectOfKey } from './issue-key.js';

/** Arguments of one call. Its schema was checked at the door; whoever comes in another way is told here. */
export class ToolArguments {
  constructor(private readonly args: Readonly<Record<string, unknown>>) {}

  text(name: string, longest: number): string {
    const value = this.optionalText(name, longest);
    if (value === undefined || value.trim() === '') throw new ToolFailure(`${name} is missing`);
    return value;
  }

  optionalText(name: string, longest: number): string | undefined {
    const value = this.own(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value.length > longest)
      throw new ToolFailure(`${name} must be a text of at most ${longest} characters`);
    return value;
  }

  issueKey(name: string): string {
    const key = this.text(name, 300);
    if (projectOfKey(key) === null) throw new ToolFailure(`${name} must be the key of an issue, such as DEV-1`);
    return key;
  }

  projectKey(name: string): string {
    const key = this.text(name, 300);
    if (!isProjectKey(key)) throw new ToolFailure(`${name} must be the key of a project, such as DEV`);
    return key;
  }

  optionalTexts(name: string, most: number): string[] | undefined {
    const value = this.own(name);
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.length <= most;
    if (!isList || !value.every((each): each is string => typeof each === 'string'))
      throw new ToolFailure(`${name} must be a list of at most ${most} texts`);
    return value;
  }

  optionalCount(name: string, most: number): number | undefined {
    const value = this.own(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most)
      throw new ToolFailure(`${name} must be a whole number from 1 to ${most}`);
    return value;
  }

  optionalObject(name: string): Record<string, unknown> {
    const value = this.own(name) ?? {};
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ToolFailure(`${name} must be an object`);
    return value as Record<string, unknown>;
  }

  private own(name: string): unknown {
    return Object.hasOwn(this.args, name) ? this.args[name] : undefined;
  }
}
