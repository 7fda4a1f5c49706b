import tseslint from 'typescript-eslint';

// Everything that leaves the process goes through src/platform/egress: nothing else may open a connection.
const message = 'Outbound traffic goes through src/platform/egress.';
const outbound = [
  ...['undici', 'node:http', 'node:https', 'http', 'https', 'node-fetch', 'axios', 'got'].map((name) => ({
    name,
    message,
    allowTypeImports: true,
  })),
  ...['node:net', 'node:tls', 'net', 'tls'].map((name) => ({
    name,
    message,
    importNames: ['default', 'connect', 'createConnection', 'Socket', 'TLSSocket'],
  })),
];

/** Ways of Nest that we do not go. */
const refused = [
  { importNames: ['forwardRef'], message: 'Calls go left (docs/adr/0002-the-ladder.md): there is no cycle to break.' },
  {
    importNames: ['NestMiddleware', 'MiddlewareConsumer'],
    message: 'Paths can be spelled past a middleware: use a guard, or a hook that sees every request.',
  },
  { importNames: ['Scope'], message: 'The actor is the first argument of a service method, not a provider.' },
].map((rule) => ({ name: '@nestjs/common', ...rule }));

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.data/', 'coverage/'] },
  {
    files: ['**/*.{mjs,cjs}'],
    rules: {
      eqeqeq: ['error', 'always'],
      'no-unused-vars': ['error', { varsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/**/*.spec.ts'],
    rules: {
      'max-lines': ['error', { max: 350, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 6],
      complexity: ['error', 15],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'No barrels: name what you export.' },
      ],
      '@typescript-eslint/no-restricted-imports': ['error', { paths: [...refused, ...outbound] }],
      'no-restricted-properties': [
        'error',
        { object: 'URL', property: 'canParse', message: 'Use parsedUrl: it is wrong about Latin-1 in Node 20.' },
      ],
      'no-restricted-globals': [
        'error',
        ...['fetch', 'WebSocket', 'XMLHttpRequest', 'EventSource'].map((name) => ({ name, message })),
      ],
    },
  },
  {
    files: ['src/platform/egress/**/*.ts'],
    ignores: ['src/**/*.spec.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', { paths: refused }],
      'no-restricted-globals': 'off',
    },
  },
  {
    files: ['test/**/*.ts', 'src/**/*.spec.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
