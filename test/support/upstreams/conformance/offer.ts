import { setTimeout as sleep } from 'node:timers/promises';
import { PIXEL } from '../catalog.js';

type Json = Record<string, unknown>;

/** What the official conformance suites call for by name, whatever the era. */
export const SOUND = Buffer.from(
  'RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\b\0data\0\0\0\0',
  'latin1',
).toString('base64');

function tool(name: string, description: string, properties: Json = {}, required: string[] = []) {
  return { name, description, inputSchema: { type: 'object' as const, properties, required } };
}

const TEXT = { type: 'string' };
const ICONS = [{ src: 'https://example.com/icon.png', mimeType: 'image/png', sizes: ['48x48'] }];

export const PLAIN_TOOLS = [
  {
    ...tool('test_simple_text', 'Answers with a text'),
    title: 'Simple text',
    annotations: { readOnlyHint: true },
    icons: ICONS,
  },
  { ...tool('test_image_content', 'Answers with an image'), _meta: { 'test/kind': 'image' } },
  { ...tool('test_audio_content', 'Answers with a sound'), annotations: { title: 'A sound', readOnlyHint: true } },
  tool('test_embedded_resource', 'Answers with a resource'),
  tool('test_multiple_content_types', 'Answers with a text, an image and a resource'),
  tool('test_error_handling', 'Answers with an error of the tool'),
  tool('test_refusal', 'Is answered with an error of JSON-RPC'),
  tool('test_tool_with_progress', 'Tells of its progress'),
  tool('test_tool_with_logging', 'Logs what it does'),
  {
    name: 'json_schema_2020_12_tool',
    description: 'Has a schema with much of JSON Schema 2020-12',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object' as const,
      $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: TEXT, city: TEXT } } },
      properties: {
        name: TEXT,
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: TEXT,
        email: TEXT,
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    outputSchema: { type: 'object' as const, properties: { fits: { type: 'boolean' } }, required: ['fits'] },
  },
];

/** In the old era a server asks its client in the course of a call. */
export const ASKING_TOOLS = [
  tool('test_sampling', 'Has the client sample', { prompt: TEXT }, ['prompt']),
  tool('test_elicitation', 'Asks the user', { message: TEXT }, ['message']),
  tool('test_elicitation_sep1034_defaults', 'Asks the user with defaults'),
  tool('test_elicitation_sep1330_enums', 'Asks the user to choose'),
  tool('test_reconnection', 'Closes the stream before it answers'),
];

/** In the new one it answers with what it needs. */
export const INPUT_TOOLS = [
  ...['elicitation', 'sampling', 'list_roots', 'request_state', 'multiple_inputs', 'multi_round', 'tampered_state'],
  'capabilities',
].map((name) => tool(`test_input_required_result_${name}`, `Needs input: ${name}`));
export const NEW_TOOLS = [
  ...INPUT_TOOLS,
  tool('test_missing_capability', 'Needs a client that samples'),
  tool('test_streaming_elicitation', 'Needs input after it told of its progress'),
  tool('test_logging_tool', 'Logs what it does'),
  tool('test_custom_headers', 'Is routed by its region', { region: { ...TEXT, 'x-mcp-header': 'Region' } }),
];

export const REFUSAL = { code: -32_050, message: 'Refused', data: { why: 'as asked' } };

export const RESOURCES = [
  {
    uri: 'test://static-text',
    name: 'static-text',
    title: 'Static text',
    description: 'A text',
    mimeType: 'text/plain',
  },
  { uri: 'test://static-binary', name: 'static-binary', description: 'An image', mimeType: 'image/png', size: 70 },
  {
    uri: 'test://watched-resource',
    name: 'watched-resource',
    mimeType: 'text/plain',
    annotations: { audience: ['user'], priority: 0.5 },
    icons: ICONS,
    _meta: { 'test/kind': 'watched' },
  },
];
export const TEMPLATES = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'template',
    title: 'Data by id',
    description: 'Data by id',
    mimeType: 'application/json',
    annotations: { audience: ['assistant'], lastModified: '2026-01-01T00:00:00Z' },
    icons: ICONS,
    _meta: { 'test/kind': 'template' },
  },
];
export const PROMPTS = [
  {
    name: 'test_simple_prompt',
    title: 'Simple prompt',
    description: 'A prompt without arguments',
    icons: ICONS,
    _meta: { 'test/kind': 'simple' },
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'A prompt with arguments',
    arguments: [
      { name: 'arg1', title: 'First one', description: 'First', required: true },
      { name: 'arg2', description: 'Second', required: true },
    ],
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'A prompt with a resource',
    arguments: [{ name: 'resourceUri', description: 'Its URI', required: true }],
  },
  { name: 'test_prompt_with_image', description: 'A prompt with an image' },
];
export const INPUT_PROMPT = { name: 'test_input_required_result_prompt', description: 'A prompt that needs input' };

export interface Course {
  progress: (progress: number) => Promise<void>;
  log: (data: string) => Promise<void>;
}

export function text(value: string): Json {
  return { content: [{ type: 'text', text: value }] };
}

/** Null for what it is not there for. */
export async function callPlainTool(name: string, course: Course): Promise<Json | null> {
  const image = { type: 'image', data: PIXEL, mimeType: 'image/png' };
  switch (name) {
    case 'test_simple_text':
      return text('This is a simple text response for testing.');
    case 'test_image_content':
      return { content: [image] };
    case 'test_audio_content':
      return { content: [{ type: 'audio', data: SOUND, mimeType: 'audio/wav' }] };
    case 'test_embedded_resource':
      return {
        content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
      };
    case 'test_multiple_content_types':
      return {
        content: [
          { type: 'text', text: 'Multiple content types test:' },
          image,
          resource('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
        ],
        _meta: { 'test/of': 'a result' },
      };
    case 'test_error_handling':
      return { ...text('This tool intentionally returns an error for testing'), isError: true };
    case 'test_custom_headers':
      return text('routed');
    case 'json_schema_2020_12_tool':
      return {
        content: [
          {
            type: 'text',
            text: 'fits',
            annotations: { audience: ['user'], priority: 1 },
            _meta: { 'test/of': 'a part' },
          },
          { type: 'resource_link', uri: 'test://static-text', name: 'static-text', title: 'Static text', icons: ICONS },
        ],
        structuredContent: { fits: true },
      };
    case 'test_tool_with_progress':
      for (const progress of [0, 50, 100]) {
        await course.progress(progress);
        await sleep(50);
      }
      return text('Tool with progress executed successfully');
    case 'test_tool_with_logging':
    case 'test_logging_tool':
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await course.log(data);
        await sleep(50);
      }
      return text('Tool with logging executed successfully');
    default:
      return null;
  }
}

/** Null where there is none. */
export function readOffered(uri: string): Json | null {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id !== undefined) {
    const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
    return { contents: [{ uri, mimeType: 'application/json', text: data }] };
  }
  const found = RESOURCES.find((each) => each.uri === uri);
  if (!found) return null;
  const { mimeType } = found;
  const content = mimeType === 'image/png' ? { blob: PIXEL } : { text: 'This is the content of the resource.' };
  return { contents: [{ uri, mimeType, ...content }] };
}

/** Null where there is none. */
export function getOffered(name: string, args: Record<string, unknown>): Json | null {
  const says = (content: object): object => ({ role: 'user', content });
  switch (name) {
    case 'test_simple_prompt':
      return { messages: [says({ type: 'text', text: 'This is a simple prompt for testing.' })] };
    case 'test_prompt_with_arguments': {
      const said = `Prompt with arguments: arg1='${String(args.arg1)}', arg2='${String(args.arg2)}'`;
      return { description: 'With arguments', messages: [says({ type: 'text', text: said })] };
    }
    case 'test_prompt_with_embedded_resource':
      return {
        messages: [
          says(resource(String(args.resourceUri), 'text/plain', 'Embedded resource content for testing.')),
          says({ type: 'text', text: 'Please process the embedded resource above.' }),
        ],
      };
    case 'test_prompt_with_image':
      return {
        messages: [
          says({ type: 'image', data: PIXEL, mimeType: 'image/png' }),
          says({ type: 'text', text: 'Please analyze the image above.' }),
        ],
      };
    default:
      return null;
  }
}

export const COMPLETION = { values: ['paris', 'park', 'party'], total: 3, hasMore: false };

function resource(uri: string, mimeType: string, content: string): Json {
  return { type: 'resource', resource: { uri, mimeType, text: content } };
}

/** What the old era's tools ask their client for. */
export function questionOf(name: string, args: Record<string, unknown>): { method: string; params: Json } | null {
  const form = (message: string, properties: Json, required: string[] = []) => ({
    method: 'elicitation/create',
    params: { message, requestedSchema: { type: 'object', properties, required } },
  });
  switch (name) {
    case 'test_sampling': {
      const messages = [{ role: 'user', content: { type: 'text', text: String(args.prompt) } }];
      return { method: 'sampling/createMessage', params: { messages, maxTokens: 100 } };
    }
    case 'test_elicitation':
      return form(
        String(args.message),
        {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        },
        ['username', 'email'],
      );
    case 'test_elicitation_sep1034_defaults':
      return form('Please review these values', {
        name: { type: 'string', default: 'John Doe' },
        age: { type: 'integer', default: 30 },
        score: { type: 'number', default: 95.5 },
        status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
        verified: { type: 'boolean', default: true },
      });
    case 'test_elicitation_sep1330_enums':
      return form('Please choose', {
        untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
        titledSingle: { type: 'string', oneOf: titled('value', 'Option') },
        legacyEnum: {
          type: 'string',
          enum: ['opt1', 'opt2', 'opt3'],
          enumNames: ['Option One', 'Option Two', 'Option Three'],
        },
        untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
        titledMulti: { type: 'array', items: { anyOf: titled('value', 'Choice') } },
      });
    default:
      return null;
  }
}

function titled(value: string, title: string): object[] {
  return ['First', 'Second', 'Third'].map((which, index) => ({
    const: `${value}${index + 1}`,
    title: `${which} ${title}`,
  }));
}
