import base from '../../jest.config.mjs';

// Faults: processes are killed and servers restarted. Each spec starts servers of its own, so that some can go on side by side.
const { globalSetup: _setup, globalTeardown: _teardown, testPathIgnorePatterns: _ignored, ...rest } = base;

export default {
  ...rest,
  rootDir: '../..',
  testRegex: 'test/faults/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  maxWorkers: 2,
  reporters: ['default', '<rootDir>/test/faults/reporter.mjs'],
  testTimeout: 120_000,
};
