import base from '../../jest.config.mjs';

// Faults: processes are killed and servers restarted. They start servers of their own, one spec after the other.
const { globalSetup: _setup, globalTeardown: _teardown, testPathIgnorePatterns: _ignored, ...rest } = base;

export default {
  ...rest,
  rootDir: '../..',
  testRegex: 'test/faults/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  maxWorkers: 1,
  testTimeout: 120_000,
};
