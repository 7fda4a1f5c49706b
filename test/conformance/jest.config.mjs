import base from '../../jest.config.mjs';

// What other people wrote to test MCP, run on a Node.js of its own: `npm ci --prefix test/conformance` comes first.
export default {
  ...base,
  rootDir: '../..',
  testRegex: 'test/conformance/[^/]*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testTimeout: 300_000,
};
