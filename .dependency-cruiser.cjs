// The dependency rule (docs/adr/0002-the-ladder.md). `npm run lint:dependencies` runs it, and so does a test.

/** Features in ladder order: each uses services of those before it only. Features that do not exist yet have their place. */
const ladder = [
  'audit',
  'identity',
  'registry',
  'connections',
  'discovery',
  'workspace-access',
  'usage',
  'tools',
  'mappings',
  'agent-gateway',
  'realtime',
];

const SPEC = '\\.spec\\.ts$';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'every-import-resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'a-rung-for-every-module',
      comment: 'a new module gets its place in the ladder above',
      severity: 'error',
      from: {},
      to: { path: '^src/modules/[^/]+/', pathNot: `^src/modules/(${ladder.join('|')})/` },
    },
    {
      name: 'platform-knows-no-feature',
      severity: 'error',
      from: { path: '^src/platform/', pathNot: SPEC },
      to: { path: '^src/(?!platform/)' },
    },
    {
      name: 'mcp-and-providers-know-no-module',
      severity: 'error',
      from: { path: '^src/(mcp|providers)/', pathNot: SPEC },
      to: { path: '^src/', pathNot: '^src/(mcp|platform|providers)/' },
    },
    {
      name: 'mcp-knows-no-provider',
      severity: 'error',
      from: { path: '^src/mcp/', pathNot: SPEC },
      to: { path: '^src/providers/' },
    },
    {
      name: 'only-the-app-lists-modules',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/app\\.module\\.ts$' },
      to: { path: '^src/modules/index\\.ts$' },
    },
    {
      name: 'only-the-front-door',
      comment: 'from another module import only *.module, *.service, *.events, or (entity to entity) *.entity',
      severity: 'error',
      from: { path: '^src/modules/([^/]+)/' },
      to: {
        path: '^src/modules/([^/]+)/',
        pathNot: ['^src/modules/$1/', '\\.(module|service|events|entity)\\.ts$'],
      },
    },
    {
      name: 'foreign-entity-only-from-entity',
      severity: 'error',
      from: { path: '^src/modules/([^/]+)/', pathNot: '\\.entity\\.ts$' },
      to: { path: '\\.entity\\.ts$', pathNot: '^src/modules/$1/' },
    },
    { name: 'events-are-leaves', severity: 'error', from: { path: '\\.events\\.ts$' }, to: { path: '^src/' } },
    {
      name: 'entity-knows-no-service',
      severity: 'error',
      from: { path: '\\.entity\\.ts$' },
      to: { path: '\\.(service|controller|dto|module)\\.ts$' },
    },
    {
      name: 'service-knows-no-controller',
      severity: 'error',
      from: { path: '\\.service\\.ts$' },
      to: { path: '\\.controller\\.ts$' },
    },
    {
      name: 'product-knows-no-test',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: SPEC },
      to: { path: ['^test/', SPEC] },
    },
    {
      name: 'declared-dependencies-only',
      comment: 'a production install leaves development dependencies out; types alone are fine',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: SPEC },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    },
    ...ladder.slice(0, -1).map((name, rung) => ({
      name: `calls-go-left:${name}`,
      severity: 'error',
      from: { path: `^src/modules/${name}/` },
      to: { path: `^src/modules/(${ladder.slice(rung + 1).join('|')})/`, pathNot: '\\.events\\.ts$' },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // As Node resolves imports of ES modules.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'require', 'default'] },
  },
};
