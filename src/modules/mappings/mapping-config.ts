import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { invalid } from '../../platform/http/domain-error.js';
import { parsePointer, type PointerPath } from '../../platform/json/json-pointer.js';
import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';
import { parseTemplate, renderTemplate, Room, TemplateError, type Template } from './template.js';

/** What a mapping says of its source and of the shape that is wanted, as it is stored and shown. */
export interface MappingConfig {
  /** What the component gets: templates, fixed values, and objects and lists of them. */
  field_mappings: Record<string, unknown>;
  /** Of a tool: its arguments. */
  arguments?: Record<string, unknown>;
  /** JSON Pointer to the list of items; the answer itself unless given. Not for our own providers, which say it. */
  items?: string;
  /** JSON Pointer to the id of an item. */
  item_id?: string;
  /** Of a tool that answers in pages: where the next cursor stands in the answer, and where it goes in the arguments. */
  cursor?: { next: string; argument: string };
  /** How a changed item goes back. */
  push?: PushConfig;
}

/** Tools by their names at the server, with arguments as templates over the item in the shape of the component. */
export interface PushConfig {
  tool: string;
  arguments: Record<string, unknown>;
  /** Reads the record, to see whether it changed meanwhile; `item`: JSON Pointer to it in the answer. */
  read: { tool: string; arguments: Record<string, unknown>; item?: string };
}

type Rendered = (context: unknown, room: Room) => unknown;

/** A configuration that is ready for use. */
export interface CompiledConfig {
  /** @throws FieldMissing */
  render: (context: unknown) => Record<string, unknown>;
  arguments: Record<string, unknown>;
  items: PointerPath;
  itemId: PointerPath;
  cursor: { next: PointerPath; argument: PointerPath } | null;
  push: CompiledPush | null;
}

/** A tool with its arguments. */
export interface ToolTemplate {
  tool: string;
  /** @throws FieldMissing */
  render: (context: unknown) => Record<string, unknown>;
}

export interface CompiledPush extends ToolTemplate {
  read: ToolTemplate & { item: PointerPath };
}

const MEMBERS: readonly string[] = ['field_mappings', 'arguments', 'items', 'item_id', 'cursor', 'push'];
const MOST = { depth: 16, values: 1_000, text: 65_536 };
const DEFAULT_ID = '/id';

/** @throws DomainError 400 that names each place, and for a template the position of what is wrong */
export function compileConfig(config: Record<string, unknown>): CompiledConfig {
  return new ConfigCheck().compile(config);
}

class ConfigCheck {
  private readonly problems: Record<string, string[]> = {};
  private values = 0;

  compile(config: Record<string, unknown>): CompiledConfig {
    for (const name of Object.keys(config)) if (!MEMBERS.includes(name)) this.report(name, 'is not a known field');
    if (JSON.stringify(config).length > MOST.text) this.report('', `may have at most ${MOST.text} characters`);
    const fields = this.object(config.field_mappings, 'field_mappings', true);
    const render = this.value(fields, 'field_mappings', 0);
    const compiled = {
      render: withRoom(render),
      arguments: this.fixed(this.object(withDefault(config.arguments, {}), 'arguments', false)),
      items: this.pointer(withDefault(config.items, ''), 'items'),
      itemId: this.pointer(withDefault(config.item_id, DEFAULT_ID), 'item_id'),
      cursor: this.cursor(config.cursor),
      push: this.push(config.push),
    };
    if (Object.keys(this.problems).length > 0) throw invalid(this.problems);
    return compiled;
  }

  private cursor(value: unknown): CompiledConfig['cursor'] {
    if (value === undefined) return null;
    const { next, argument, ...others } = this.object(value, 'cursor', false);
    for (const name of Object.keys(others)) this.report(`cursor.${name}`, 'is not a known field');
    return { next: this.pointer(next, 'cursor.next', 1), argument: this.pointer(argument, 'cursor.argument', 1) };
  }

  private push(value: unknown): CompiledPush | null {
    if (value === undefined) return null;
    const { tool, arguments: args, read, ...others } = this.object(value, 'push', false);
    for (const name of Object.keys(others)) this.report(`push.${name}`, 'is not a known field');
    const { tool: readTool, arguments: readArgs, item, ...more } = this.object(read, 'push.read', false);
    for (const name of Object.keys(more)) this.report(`push.read.${name}`, 'is not a known field');
    return {
      ...this.toolTemplate(tool, args, 'push'),
      read: {
        ...this.toolTemplate(readTool, readArgs, 'push.read'),
        item: this.pointer(withDefault(item, ''), 'push.read.item'),
      },
    };
  }

  private toolTemplate(tool: unknown, args: unknown, place: string): ToolTemplate {
    if (typeof tool !== 'string' || tool === '' || NOT_STORABLE.test(tool))
      this.report(`${place}.tool`, 'must name a tool of the server');
    const given = this.object(args, `${place}.arguments`, false);
    const render = withRoom(this.value(given, `${place}.arguments`, 0));
    return { tool: String(tool), render };
  }

  /** A text is a template, everything else but lists and objects is a fixed value. */
  private value(value: unknown, place: string, depth: number): Rendered {
    if (++this.values > MOST.values) this.report('field_mappings', `may have at most ${MOST.values} values`);
    if (depth > MOST.depth) this.report(place, `is nested deeper than ${MOST.depth}`);
    if (this.values > MOST.values || depth > MOST.depth) return () => null;
    if (typeof value === 'string') return this.template(value, place);
    if (Array.isArray(value)) {
      const elements = value.map((element, index) => this.value(element, `${place}[${index}]`, depth + 1));
      return (context, room) => elements.map((element) => element(context, room));
    }
    if (typeof value !== 'object' || value === null) return () => value;
    const entries = Object.entries(value).map(([name, member]) => {
      this.checkName(name, place);
      return [name, this.value(member, `${place}.${name}`, depth + 1)] as const;
    });
    return (context, room) => Object.fromEntries(entries.map(([name, member]) => [name, member(context, room)]));
  }

  private template(text: string, place: string): Rendered {
    if (NOT_STORABLE.test(text)) this.report(place, 'must not contain NUL or unpaired surrogates');
    let template: Template;
    try {
      template = parseTemplate(text);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      this.report(place, `is no template: ${error.message}, at character ${error.position}`);
      return () => null;
    }
    return (context, room) => renderTemplate(template, context, room);
  }

  /** Arguments of a tool are no templates: there is no item yet. */
  private fixed(value: Record<string, unknown>): Record<string, unknown> {
    this.checkNames(value, 'arguments', 0);
    return value;
  }

  private checkNames(value: unknown, place: string, depth: number): void {
    if (typeof value === 'string' && NOT_STORABLE.test(value))
      this.report(place, 'must not contain NUL or unpaired surrogates');
    if (typeof value !== 'object' || value === null) return;
    if (depth > MOST.depth) return this.report(place, `is nested deeper than ${MOST.depth}`);
    for (const [name, member] of Object.entries(value)) {
      this.checkName(name, place);
      this.checkNames(member, `${place}.${name}`, depth + 1);
    }
  }

  private checkName(name: string, place: string): void {
    if (FORBIDDEN_KEYS.has(name) || NOT_STORABLE.test(name))
      this.report(`${place}.${name}`, 'is not allowed as a name');
  }

  private object(value: unknown, place: string, isFilled: boolean): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.report(place, 'must be an object');
      return {};
    }
    if (isFilled && Object.keys(value).length === 0) this.report(place, 'must not be empty');
    return value as Record<string, unknown>;
  }

  private pointer(value: unknown, place: string, least = 0): PointerPath {
    const path = typeof value === 'string' ? parsePointer(value) : null;
    if (
      path !== null &&
      path.length >= least &&
      !path.some((part) => FORBIDDEN_KEYS.has(part) || NOT_STORABLE.test(part))
    )
      return path;
    this.report(place, 'must be a JSON Pointer such as /issues (RFC 6901)');
    return [];
  }

  private report(place: string, problem: string): void {
    (this.problems[place === '' ? 'mapping_config' : `mapping_config.${place}`] ??= []).push(problem);
  }
}

/** Each item has room of its own. */
function withRoom(render: Rendered): (context: unknown) => Record<string, unknown> {
  return (context) => render(context, new Room()) as Record<string, unknown>;
}

/** Null is no way to leave something out. */
function withDefault(value: unknown, otherwise: unknown): unknown {
  return value === undefined ? otherwise : value;
}
