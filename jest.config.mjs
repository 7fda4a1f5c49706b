import { availableParallelism } from 'node:os';

export default {
  testEnvironment: 'node',
  testRegex: '(test|src)/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/test/faults/', '<rootDir>/test/conformance/'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '\\.[cm]?[jt]s$': '<rootDir>/test/jest-transform.cjs' },
  transformIgnorePatterns: [],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/test/conformance/node_modules/'],
  globalSetup: '<rootDir>/test/support/jest-global-setup.ts',
  globalTeardown: '<rootDir>/test/support/jest-global-teardown.ts',
  // Specs wait more than they compute, and each has a database of its own on the one server.
  maxWorkers: Math.min(4, Math.max(2, availableParallelism() - 1)),
  testTimeout: 30_000,
};
