import fc from 'fast-check';
import { DomainError } from '../../platform/http/domain-error.js';
import { readServerJson, type ImportedType, type ImportSource } from './server-json.js';

const NAME = 'io.github.acme/wiki';
const withRemote = (remote: object, more: object = {}): object => ({
  name: NAME,
  description: 'A wiki',
  version: '1.0.0',
  remotes: [{ type: 'streamable-http', url: 'https://wiki.example/mcp', ...remote }],
  ...more,
});
const withPackage = (entry: object, more: object = {}): object => ({
  name: NAME,
  description: 'A wiki',
  version: '1.0.0',
  packages: [
    { registryType: 'npm', identifier: '@acme/wiki', version: '1.2.3', transport: { type: 'stdio' }, ...entry },
  ],
  ...more,
});
const read = (document: unknown, source?: ImportSource): ImportedType['body'] => readServerJson(document, source).body;
const authOf = (document: unknown): unknown => read(document).config_schema.auth;
const argsOf = (document: unknown): unknown => [
  read(document).transport.command,
  ...(read(document).transport.args as string[]),
];

function placesOf(document: unknown, source?: ImportSource): string[] {
  try {
    readServerJson(document, source);
    return [];
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error.code).toBe('validation_failed');
    return Object.keys(error.details.fields as object);
  }
}

describe('a server.json', () => {
  it('becomes a type: its name, its title, its description, and a word for what it is of', () => {
    const document = withRemote({}, { name: 'io.github.Acme/Wiki-MCP-Server', title: ' Acme Wiki ' });
    expect(readServerJson(document)).toEqual({
      place: 'remotes[0]',
      body: {
        qualified_name: 'io.github.acme/wiki-mcp-server',
        display_name: 'Acme Wiki',
        description: 'A wiki',
        provider_type: 'wiki',
        config_schema: {
          auth: { type: 'object', properties: {}, required: [], additionalProperties: false },
          options: expect.objectContaining({ properties: { timeout: expect.anything() } }),
        },
        transport: { type: 'streamable_http', url: 'https://wiki.example/mcp', headers: {} },
      },
    });
  });

  it.each([
    ['com.notion/mcp', 'notion'],
    ['io.github.acme/mcp-server', 'acme'],
    ['io.github.acme/my_wiki.server', 'my-wiki'],
    ['mcp.server/mcp', 'mcp'],
  ])('of the name %s is of %s', (name, provider) => {
    expect(read(withRemote({}, { name })).provider_type).toBe(provider);
  });

  it.each([
    ['the answer of the registry API', { server: withRemote({}), _meta: { status: 'active' } }],
    ['a schema of another day', withRemote({}, { $schema: 'https://example.com/2030-01-01/server.schema.json' })],
    ['members that nobody knows', withRemote({ supports: 'telepathy' }, { mood: 'good', icons: [], _meta: { a: 1 } })],
    ['nulls where there is nothing', withRemote({ headers: null, variables: null }, { title: null, packages: null })],
    ['the transport_type of old', withRemote({ type: undefined, transport_type: 'streamable-http' })],
  ])('is taken as %s', (_what, document) => {
    expect(read(document)).toMatchObject({ qualified_name: NAME, transport: { url: 'https://wiki.example/mcp' } });
  });

  it.each<[string, unknown, string[]]>([
    ['no name', { ...withRemote({}), name: undefined }, ['name']],
    ['a name without a slash', withRemote({}, { name: 'wiki' }), ['name']],
    ['a name of two slashes', withRemote({}, { name: 'a/b/c' }), ['name']],
    ['a name that is too long for us', withRemote({}, { name: `a/${'b'.repeat(65)}` }), ['name']],
    ['a name that is a number', withRemote({}, { name: 5 }), ['name']],
    ['a title that is a list', withRemote({}, { title: [] }), ['title']],
    ['a description with NUL', withRemote({}, { description: 'a\0b' }), ['description']],
    ['a version that is none', withRemote({}, { version: {} }), ['version']],
    ['neither remotes nor packages', { name: NAME }, ['remotes']],
    ['empty lists', { name: NAME, remotes: [], packages: [] }, ['remotes']],
    ['remotes that are no list', { name: NAME, remotes: {} }, ['remotes']],
    ['a remote that is a text', { name: NAME, remotes: ['https://wiki.example'] }, ['remotes[0]']],
    ['a package that is none beside a remote', withRemote({}, { packages: [7] }), ['packages[0]']],
    ['too many remotes', { name: NAME, remotes: Array(17).fill({}) }, ['remotes']],
    ['a wrapper around nothing', { server: 'x' }, ['server', 'name']],
    ['a mistake within the wrapper', { server: withRemote({ url: 'ftp://x' }) }, ['server.remotes[0].url']],
  ])('with %s is refused, naming the place', (_what, document, places) => {
    expect(placesOf(document)).toEqual(places);
  });

  it.each([null, undefined, 'text', 5, [], [{}]])('that is %j is refused', (document) => {
    expect(placesOf(document)).toEqual([]);
    expect(() => readServerJson(document)).toThrow('The body must be a JSON object');
  });

  describe('with remotes and packages', () => {
    const both = {
      ...withRemote({}),
      ...withPackage({}, { remotes: (withRemote({}) as { remotes: object[] }).remotes }),
    };

    it('is the remote, unless the package is asked for', () => {
      expect(read(both).transport.type).toBe('streamable_http');
      expect(read(both, 'remote').transport.type).toBe('streamable_http');
      expect(read(both, 'package').transport.type).toBe('stdio');
    });

    it('is the first entry that can be used', () => {
      const remotes = [
        { type: 'carrier-pigeon', url: 'x' },
        { type: 'sse', url: 'https://wiki.example/sse' },
      ];
      expect(readServerJson({ ...both, remotes })).toMatchObject({
        place: 'remotes[1]',
        body: { transport: { type: 'sse' } },
      });
      expect(readServerJson({ ...both, remotes: remotes.slice(0, 1) }).place).toBe('packages[0]');
    });

    it('is refused with what is wrong with each entry when none can be used', () => {
      const broken = { ...both, remotes: [{ type: 'sse', url: 5 }], packages: [{ registryType: 'mcpb' }] };
      expect(placesOf(broken)).toEqual(['remotes[0].url', 'packages[0].registryType']);
      expect(placesOf(broken, 'remote')).toEqual(['remotes[0].url']);
      expect(placesOf({ ...broken, packages: undefined }, 'package')).toEqual(['packages']);
    });
  });
});

describe('a remote', () => {
  it('makes credentials of its headers and variables, and templates of what they stand in', () => {
    const document = withRemote({
      url: 'https://{tenant}.wiki.example/{region}/mcp',
      variables: {
        tenant: { description: 'Name of the tenant' },
        region: { choices: ['eu', 'us'], default: 'eu' },
      },
      headers: [
        { name: 'X-API-Key', description: 'Key', isRequired: true, isSecret: true },
        { name: 'Authorization', value: 'Bearer {token}', isSecret: true, variables: { token: { isRequired: true } } },
        { name: 'X-Client', value: 'control-plane' },
        { name: 'X-Depth', format: 'number', default: '3' },
        { name: 'X-Draft', format: 'boolean' },
      ],
    });
    expect(read(document).transport).toEqual({
      type: 'streamable_http',
      url: 'https://{auth.tenant}.wiki.example/{auth.region}/mcp',
      headers: {
        'X-API-Key': '{auth.X-API-Key}',
        Authorization: 'Bearer {auth.token}',
        'X-Client': 'control-plane',
        'X-Depth': '{auth.X-Depth}',
        'X-Draft': '{auth.X-Draft}',
      },
    });
    expect(authOf(document)).toEqual({
      type: 'object',
      properties: {
        tenant: { type: 'string', minLength: 1, description: 'Name of the tenant' },
        region: { type: 'string', minLength: 1, enum: ['eu', 'us'], default: 'eu' },
        'X-API-Key': { type: 'string', format: 'password', minLength: 1, description: 'Key' },
        token: { type: 'string', format: 'password', minLength: 1 },
        'X-Depth': { type: 'number', default: 3 },
        'X-Draft': { type: 'boolean' },
      },
      required: ['tenant', 'region', 'X-API-Key', 'token'],
      additionalProperties: false,
    });
  });

  it('may begin with a variable, which is then a whole address', () => {
    const document = withRemote({ url: '{base}/mcp', variables: { base: {} } });
    expect(read(document).transport.url).toBe('{auth.base}/mcp');
  });

  it('takes choices that are there twice once', () => {
    const headers = [{ name: 'X-A', choices: ['a', 'b', 'a'] }];
    expect(authOf(withRemote({ headers }))).toMatchObject({ properties: { 'X-A': { enum: ['a', 'b'] } } });
  });

  it('keeps a secret whole: a text without a default and choices, whatever else it says', () => {
    const header = { name: 'X-Pin', isSecret: true, format: 'number', default: '1234', choices: ['1234', '5678'] };
    expect(authOf(withRemote({ headers: [header] }))).toMatchObject({
      properties: { 'X-Pin': { type: 'string', format: 'password' } },
    });
    expect(JSON.stringify(authOf(withRemote({ headers: [header] })))).not.toContain('1234');
  });

  it('gives inputs of one name one property where they say the same, else several', () => {
    const token = { isSecret: true, description: 'Token' };
    const header = (name: string, variable: object): object => ({
      name,
      value: '{token}',
      variables: { token: variable },
    });
    const headers = [header('X-A', token), header('X-B', token), header('X-C', { description: 'Another' })];
    expect(read(withRemote({ headers })).transport.headers).toEqual({
      'X-A': '{auth.token}',
      'X-B': '{auth.token}',
      'X-C': '{auth.token_2}',
    });
  });

  it.each([
    ['a b/c', '{auth.a_b_c}'],
    ['x'.repeat(80), `{auth.${'x'.repeat(64)}}`],
    ['ü', '{auth._}'],
    ['/_proto__', '{auth.value}'],
  ])('makes the name %j fit', (name, template) => {
    const headers = [{ name: 'X-P', value: `{${name}}`, variables: { [name]: {} } }];
    expect(read(withRemote({ headers })).transport.headers).toEqual({ 'X-P': template });
  });

  it.each<[string, object, string[]]>([
    ['an unknown type', { type: 'websocket' }, ['remotes[0].type']],
    ['a type that objects have by birth', { type: 'toString' }, ['remotes[0].type']],
    ['no address', { url: undefined }, ['remotes[0].url']],
    ['an address that is a list', { url: [] }, ['remotes[0].url']],
    ['an address of another scheme', { url: 'file:///etc/passwd' }, ['remotes[0].url']],
    ['a password in the address', { url: 'https://me:secret@wiki.example/' }, ['remotes[0].url']],
    ['a line break in the address', { url: 'https://wiki.exam\nple/' }, ['remotes[0].url']],
    ['a variable that is not declared', { url: 'https://{tenant}.wiki.example/' }, ['remotes[0].url']],
    ['our own placeholder', { url: 'https://{auth.x}.wiki.example/' }, ['remotes[0].url']],
    ['variables that are a list', { variables: [] }, ['remotes[0].variables']],
    ['a variable that is a text', { variables: { a: 'b' } }, ['remotes[0].variables.a']],
    ['a variable named constructor', { variables: { constructor: {} } }, ['remotes[0].variables.constructor']],
    ['headers that are an object', { headers: {} }, ['remotes[0].headers']],
    ['a header without a name', { headers: [{}] }, ['remotes[0].headers[0].name']],
    ['a name with a line break', { headers: [{ name: 'X-A\r\nX-B' }] }, ['remotes[0].headers[0].name']],
    ['a name that is a placeholder', { headers: [{ name: '{auth.x}' }] }, ['remotes[0].headers[0].name']],
    ['a name that reaches the prototype', { headers: [{ name: '__proto__' }] }, ['remotes[0].headers[0].name']],
    ['a header of ours', { headers: [{ name: 'X-A' }, { name: 'Cookie' }] }, ['remotes[0].headers[1]']],
    ['a header twice', { headers: [{ name: 'X-A' }, { name: 'x-a' }] }, ['remotes[0].headers[1].name']],
    ['a line break in a value', { headers: [{ name: 'X-A', value: 'a\r\nX-B: b' }] }, ['remotes[0].headers[0]']],
    ['our placeholder in a value', { headers: [{ name: 'X-A', value: '{auth.b}' }] }, ['remotes[0].headers[0].value']],
    [
      'our placeholder in the value of a variable',
      { headers: [{ name: 'X-A', value: '{b}', variables: { b: { value: '{options.timeout}' } } }] },
      ['remotes[0].headers[0].value'],
    ],
    [
      'a placeholder put together of pieces',
      {
        headers: [
          { name: 'X-A', value: '{{b}auth.c}', variables: { b: { value: '' } } },
          { name: 'X-B', value: '{c}', variables: { c: { isSecret: true } } },
        ],
      },
      ['remotes[0].headers[0].value'],
    ],
    ['a value that is a number', { headers: [{ name: 'X-A', value: 5 }] }, ['remotes[0].headers[0].value']],
    ['isSecret that is a text', { headers: [{ name: 'X-A', isSecret: 'yes' }] }, ['remotes[0].headers[0].isSecret']],
    ['choices of numbers', { headers: [{ name: 'X-A', choices: [1] }] }, ['remotes[0].headers[0].choices[0]']],
    [
      'a default that is none of the choices',
      { headers: [{ name: 'X-A', choices: ['a'], default: 'b' }] },
      ['remotes[0].headers[0].default'],
    ],
    [
      'a default that is no number',
      { headers: [{ name: 'X-A', format: 'number', default: 'many' }] },
      ['remotes[0].headers[0].default'],
    ],
    [
      'too many headers',
      { headers: Array.from({ length: 33 }, (_, at) => ({ name: `X-${at}` })) },
      ['remotes[0].headers'],
    ],
  ])('with %s is refused, naming the place', (_what, remote, places) => {
    expect(placesOf(withRemote(remote))).toEqual(places);
  });
});

describe('a package', () => {
  it.each<[string, object, string[]]>([
    ['npm', {}, ['npx', '-y', '@acme/wiki@1.2.3']],
    ['pypi', { identifier: 'acme-wiki', version: '1.2.3rc1' }, ['uvx', 'acme-wiki@1.2.3rc1']],
    ['nuget', { identifier: 'Acme.Wiki', version: '1.2.3-beta' }, ['dnx', 'Acme.Wiki@1.2.3-beta', '--yes']],
    ['oci', { identifier: 'acme/wiki' }, ['docker', 'run', '-i', '--rm', 'acme/wiki:1.2.3']],
  ])('of %s becomes the program that runs it', (registryType, entry, words) => {
    expect(argsOf(withPackage({ registryType, ...entry }))).toEqual(words);
  });

  it('in the spelling of 2025-07-09 is read as well, and named in it', () => {
    const entry = {
      registry_type: 'npm',
      registry_base_url: 'https://registry.npmjs.org',
      identifier: '@acme/wiki',
      version: '1.2.3',
      runtime_hint: 'npx',
      package_arguments: [{ type: 'positional', value: 'start' }],
      environment_variables: [{ name: 'WIKI_KEY', is_required: true, is_secret: true }],
    };
    const document = { name: NAME, version_detail: { version: '1.0.0' }, packages: [entry] };
    expect(argsOf(document)).toEqual(['npx', '-y', '@acme/wiki@1.2.3', 'start']);
    expect(authOf(document)).toMatchObject({
      properties: { WIKI_KEY: { format: 'password' } },
      required: ['WIKI_KEY'],
    });
    const broken = { ...document, packages: [{ ...entry, registry_type: 'mcpb' }] };
    expect(placesOf(broken)).toEqual(['packages[0].registry_type']);
  });

  it('hands environment variables to the process, and into a container by their names alone', () => {
    const environmentVariables = [
      { name: 'WIKI_KEY', isSecret: true, isRequired: true },
      { name: 'WIKI_URL', value: 'https://{host}/', variables: { host: { default: 'wiki.example' } } },
      { name: 'NODE_ENV', value: 'mcp' },
    ];
    const env = { WIKI_KEY: '{auth.WIKI_KEY}', WIKI_URL: 'https://{auth.host}/', NODE_ENV: 'mcp' };
    expect(read(withPackage({ environmentVariables })).transport.env).toEqual(env);
    const image = withPackage({ registryType: 'oci', identifier: 'acme/wiki', environmentVariables });
    expect(read(image).transport.env).toEqual(env);
    expect(argsOf(image)).toEqual([
      'docker',
      'run',
      '-i',
      '--rm',
      '-e',
      'WIKI_KEY',
      '-e',
      'WIKI_URL',
      '-e',
      'NODE_ENV',
      'acme/wiki:1.2.3',
    ]);
  });

  it.each([
    [{ identifier: 'ghcr.io/acme/wiki:1.2.3', version: undefined }, 'ghcr.io/acme/wiki:1.2.3'],
    [{ identifier: `acme/wiki@sha256:${'a'.repeat(64)}`, version: undefined }, `acme/wiki@sha256:${'a'.repeat(64)}`],
    [{ identifier: 'localhost:5000/wiki' }, 'localhost:5000/wiki:1.2.3'],
    [{ identifier: 'acme/wiki', registryBaseUrl: 'https://docker.io' }, 'acme/wiki:1.2.3'],
    [{ identifier: 'acme/wiki', registryBaseUrl: 'https://ghcr.io/' }, 'ghcr.io/acme/wiki:1.2.3'],
  ])('of the image %j is %s', (entry, image) => {
    expect((argsOf(withPackage({ registryType: 'oci', ...entry })) as string[]).at(-1)).toBe(image);
  });

  it('has the arguments that the document fixes, and no other', () => {
    const packageArguments = [
      { type: 'positional', value: 'serve' },
      { type: 'named', name: '--mode', value: '{mode}', variables: { mode: { value: 'read only; rm -rf /' } } },
      { type: 'named', name: '-v', value: '2' },
      { type: 'named', name: '--quiet', value: '' },
      { type: 'named', name: '--depth', default: '3', isRequired: true },
      { type: 'named', name: '--port', format: 'number', default: '80' },
      { type: 'positional', valueHint: 'folder' },
      { type: 'named', name: '--limit', format: 'number', isRequired: false },
      { type: 'named', name: '--dir', value: '{dir}', variables: { dir: {} } },
    ];
    const words = ['serve', '--mode=read only; rm -rf /', '-v', '2', '--quiet', '--depth=3', '--port=80'];
    expect(argsOf(withPackage({ packageArguments }))).toEqual(['npx', '-y', '@acme/wiki@1.2.3', ...words]);
    const nuget = { registryType: 'nuget', identifier: 'Acme.Wiki', packageArguments };
    expect(argsOf(withPackage(nuget))).toEqual(['dnx', 'Acme.Wiki@1.2.3', '--yes', '--', ...words]);
  });

  it('may repeat to its runtime what is said anyway', () => {
    expect(argsOf(withPackage({ runtimeArguments: [{ type: 'positional', value: '-y' }] }))).toEqual([
      'npx',
      '-y',
      '@acme/wiki@1.2.3',
    ]);
    const runtimeArguments = [
      { type: 'positional', value: 'run', isRequired: true },
      { type: 'named', name: '-i', value: 'true', format: 'boolean' },
      { type: 'named', name: '--rm', value: 'true', format: 'boolean' },
      { type: 'named', name: '--interactive' },
      { type: 'positional', value: 'ghcr.io/acme/wiki' },
    ];
    const image = { registryType: 'oci', identifier: 'ghcr.io/acme/wiki:1.2.3', runtimeArguments };
    expect(argsOf(withPackage(image))).toEqual(['docker', 'run', '-i', '--rm', 'ghcr.io/acme/wiki:1.2.3']);
  });

  it('sets in a container what its runtime is told to set', () => {
    const runtimeArguments = [
      {
        type: 'named',
        name: '-e',
        value: 'WIKI_KEY={token}',
        isRequired: true,
        variables: { token: { isSecret: true, description: 'Token' } },
      },
      { type: 'named', name: '--env', value: 'MODE=a=b' },
    ];
    const document = withPackage({ registryType: 'oci', identifier: 'acme/wiki', runtimeArguments });
    expect(read(document).transport).toEqual({
      type: 'stdio',
      command: 'docker',
      args: ['run', '-i', '--rm', '-e', 'WIKI_KEY', '-e', 'MODE', 'acme/wiki:1.2.3'],
      env: { WIKI_KEY: '{auth.token}', MODE: 'a=b' },
    });
    expect(authOf(document)).toMatchObject({
      properties: { token: { type: 'string', format: 'password', minLength: 1, description: 'Token' } },
      required: ['token'],
    });
    // Of another program it would be something else.
    expect(placesOf(withPackage({ runtimeArguments }))).toEqual([
      'packages[0].runtimeArguments[0]',
      'packages[0].runtimeArguments[1]',
    ]);
  });

  const image = (argument: object): object => ({
    registryType: 'oci',
    identifier: 'a',
    runtimeArguments: [{ type: 'named', name: '-e', ...argument }],
  });
  const at = (rest: string): string[] => [`packages[0].${rest}`];
  it.each<[string, object, string[]]>([
    ['a bundle', { registryType: 'mcpb' }, at('registryType')],
    ['an unknown type', { registryType: 'cargo' }, at('registryType')],
    ['a type that objects have by birth', { registryType: 'constructor' }, at('registryType')],
    ['no type', { registryType: undefined }, at('registryType')],
    ['a type that is a list', { registryType: ['npm'] }, at('registryType')],
    ['another transport', { transport: { type: 'sse', url: 'http://localhost/sse' } }, at('transport.type')],
    ['a transport that is a text', { transport: 'stdio' }, at('transport.type')],
    ['no version', { version: undefined }, at('version')],
    ...['latest', '^1.2.3', '1.x', '>=1', '1.2', '*', '1.2.3 || 2', 'v1.2.3', '1.2.3\n', '--help'].map(
      (version): [string, object, string[]] => [`the version ${version}`, { version }, at('version')],
    ),
    ...[
      '',
      '-g',
      '--registry=http://evil.example',
      'a b',
      'a;b',
      '$(id)',
      '../x',
      '/etc',
      'a@b',
      '@/a',
      'A',
      'a\n',
    ].map((identifier): [string, object, string[]] => [`the package ${identifier}`, { identifier }, at('identifier')]),
    ...['latest', '1.*', '>=1.0', '1.0; python_version'].map((version): [string, object, string[]] => [
      `the PyPI version ${version}`,
      { registryType: 'pypi', identifier: 'wiki', version },
      at('version'),
    ]),
    ...['git+https://evil.example/x', 'wiki[all]', 'wiki @ file:///x', '-wiki'].map(
      (identifier): [string, object, string[]] => [
        `the PyPI package ${identifier}`,
        { registryType: 'pypi', identifier },
        at('identifier'),
      ],
    ),
    ['a floating NuGet version', { registryType: 'nuget', version: '1.0.*', identifier: 'A' }, at('version')],
    ['the newest image', { registryType: 'oci', identifier: 'acme/wiki:latest' }, at('identifier')],
    [
      'the newest version of an image',
      { registryType: 'oci', identifier: 'acme/wiki', version: 'Latest' },
      at('version'),
    ],
    ['an image that is an option', { registryType: 'oci', identifier: '--privileged' }, at('identifier')],
    ['an image of a URL', { registryType: 'oci', identifier: 'https://ghcr.io/a/b' }, at('identifier')],
    ['a digest cut short', { registryType: 'oci', identifier: 'acme/wiki@sha256:abc' }, at('identifier')],
    ['another registry', { registryBaseUrl: 'https://evil.example' }, at('registryBaseUrl')],
    [
      'a registry that only looks right',
      { registryBaseUrl: 'https://registry.npmjs.org.evil.example' },
      at('registryBaseUrl'),
    ],
    [
      'a registry of images with a path',
      { registryType: 'oci', identifier: 'a', registryBaseUrl: 'https://x/y' },
      at('registryBaseUrl'),
    ],
    ['a checksum', { fileSha256: 'a'.repeat(64) }, at('fileSha256')],
    ['a variable that is no name', { environmentVariables: [{ name: 'A=B' }] }, at('environmentVariables[0].name')],
    ['a variable twice', { environmentVariables: [{ name: 'A' }, { name: 'A' }] }, at('environmentVariables[1].name')],
    ...[
      'PATH',
      'NODE_OPTIONS',
      'LD_PRELOAD',
      'npm_config_registry',
      'DOCKER_HOST',
      'UV_INDEX_URL',
      'NODE_TLS_REJECT_UNAUTHORIZED',
      'PYTHONPATH',
      'constructor',
    ].map((name): [string, object, string[]] => [
      `the variable ${name}`,
      { environmentVariables: [{ name, value: 'x' }] },
      at('environmentVariables[0].name'),
    ]),
    ['a value of two lines', { environmentVariables: [{ name: 'A', value: 'b\nc' }] }, at('environmentVariables[0]')],
    [
      'an argument to enter',
      { packageArguments: [{ type: 'positional', valueHint: 'x', isRequired: true }] },
      at('packageArguments[0]'),
    ],
    [
      'an argument with a variable to enter',
      {
        packageArguments: [{ type: 'named', name: '--dir', value: '{dir}', variables: { dir: { isRequired: true } } }],
      },
      at('packageArguments[0]'),
    ],
    [
      'our placeholder in an argument',
      { packageArguments: [{ type: 'positional', value: '{auth.x}' }] },
      ['packages[0]'],
    ],
    ['an argument of no kind', { packageArguments: [{ value: 'x' }] }, at('packageArguments[0].type')],
    [
      'a flag that is a sentence',
      { packageArguments: [{ type: 'named', name: '-a b', value: '' }] },
      at('packageArguments[0].name'),
    ],
    [
      'a flag without dashes',
      { packageArguments: [{ type: 'named', name: 'x', value: '' }] },
      at('packageArguments[0].name'),
    ],
    ['arguments that are an object', { packageArguments: {} }, at('packageArguments')],
    [
      'another registry for npx',
      { runtimeArguments: [{ type: 'named', name: '--registry', value: 'x' }] },
      at('runtimeArguments[0]'),
    ],
    [
      'a flag that says nothing of its value',
      {
        packageArguments: [
          { type: 'named', name: '--read-only' },
          { type: 'named', name: '--verbose', value: null },
          { type: 'named', name: '--level', variables: {} },
        ],
      },
      [0, 1, 2].map((index) => `packages[0].packageArguments[${index}]`),
    ],
    [
      'a flag of the runtime that says nothing of its value',
      {
        registryType: 'oci',
        identifier: 'acme/wiki',
        runtimeArguments: [
          { type: 'named', name: '--read-only' },
          { type: 'named', name: '--privileged', isRequired: false },
        ],
      },
      [0, 1].map((index) => `packages[0].runtimeArguments[${index}]`),
    ],
    ['another image', image({ type: 'positional', value: 'evil/wiki' }), at('runtimeArguments[0]')],
    ['a variable of the runtime that is no name', image({ value: 'A B=c' }), at('runtimeArguments[0].value')],
    ['a variable of the runtime without a value', image({ value: 'A' }), at('runtimeArguments[0].value')],
    ['a variable of the runtime that steers it', image({ value: 'DOCKER_HOST=x' }), at('runtimeArguments[0].value')],
    ['our placeholder for a variable of the runtime', image({ value: 'A={auth.b}' }), at('runtimeArguments[0].value')],
    [
      'the machine mounted into the container',
      { registryType: 'oci', identifier: 'a', runtimeArguments: [{ type: 'named', name: '-v', value: '/:/host' }] },
      at('runtimeArguments[0]'),
    ],
  ])('with %s is refused, naming the place', (_what, entry, places) => {
    expect(placesOf(withPackage(entry))).toEqual(places);
  });
});

describe('whatever is sent', () => {
  const keys = [
    ...['name', 'server', 'remotes', 'packages', 'type', 'url', 'headers', 'variables', 'value', 'default', 'choices'],
    ...[
      'registryType',
      'registry_type',
      'identifier',
      'version',
      'transport',
      'environmentVariables',
      'packageArguments',
    ],
  ];
  const texts = fc.oneof(
    fc.constantFrom(
      NAME,
      'npm',
      'oci',
      'stdio',
      'sse',
      'https://{a}.example',
      '{auth.a}',
      '1.2.3',
      '-y',
      '__proto__',
      'named',
    ),
    fc.string(),
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 6 },
      texts,
      fc.constantFrom(null, true, 0),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(
        fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...keys) }, { weight: 1, arbitrary: fc.string() }),
        tie('json'),
      ),
    ),
  }));

  it('is read or refused with its places, and never anything else', () => {
    fc.assert(
      fc.property(json, json, (remotes, packages) => {
        placesOf({ name: NAME, remotes: [remotes], packages: [packages] });
        placesOf(remotes);
      }),
      { numRuns: 500 },
    );
  });

  it('never has a placeholder in a command, and only its own in headers', () => {
    fc.assert(
      fc.property(texts, texts, texts, (value, inner, name) => {
        const document = withRemote({ headers: [{ name: 'X-A', value, variables: { [name]: { value: inner } } }] });
        if (placesOf(document).length > 0) return;
        expect(JSON.stringify(read(document).transport)).not.toMatch(/\{(auth|options)\./);
      }),
    );
  });

  it('is refused in time, however much of it is wrong, and not at length', () => {
    const variables = (at: number): object =>
      Object.fromEntries(
        Array.from({ length: 32 }, (_, one) => [`${'ü'.repeat(one + 1)}${at}ü`, { description: `${at}` }]),
      );
    const header = (at: number): object => {
      const all = variables(at);
      const value = Object.keys(all)
        .map((name) => `{${name}}`)
        .join('');
      return { name: `X-${at}`, value: value.repeat(3).slice(0, 2_048), variables: all };
    };
    const headers = Array.from({ length: 32 }, (_, at) => header(at));
    const repeated = headers.map((one) => ({ ...one, value: '{a}'.repeat(600), variables: { a: {}, b: 5 } }));
    const remotes = Array.from({ length: 16 }, (_, at) => ({
      type: 'sse',
      url: `https://x/${'{b}'.repeat(600)}`,
      headers: at % 2 === 0 ? headers : repeated,
    }));
    const started = performance.now();
    expect(placesOf({ name: NAME, remotes })).toHaveLength(50);
    placesOf(withPackage({ registryType: 'oci', identifier: `${'a/'.repeat(200)}!`, version: 'x'.repeat(100_000) }));
    for (const text of ['.dev', '-a', '0', '.0', 'a', '-', '__', 'post1', ':a', 'a:'])
      for (const registryType of ['npm', 'pypi', 'nuget', 'oci']) {
        const [identifier, version] = [`a${text.repeat(500 / text.length)}!`, `1${text.repeat(120 / text.length)}!`];
        placesOf(withPackage({ registryType, identifier, version: '1.2.3' }));
        placesOf(withPackage({ registryType, identifier: 'a', version }));
        placesOf(withPackage({ registryType, identifier: identifier.slice(0, 210), version }));
      }
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
