import { basename } from 'node:path';
import { FAULTS } from './list.mjs';

/** Of Jest: says beforehand what will be tried, and afterwards what was survived. */
export default class FaultReporter {
  #isWell = true;

  onRunStart() {
    process.stderr.write('What will be tried, each fault under load (test/faults/list.mjs):\n');
    for (const { fault, spec } of FAULTS) process.stderr.write(`  ${fault} (${spec})\n`);
    process.stderr.write('\n');
  }

  onRunComplete(_contexts, { testResults }) {
    const tests = testResults.flatMap(({ testFilePath, testResults: all, testExecError: error }) =>
      (all.length > 0 || !error ? all : [{ fullName: '', status: 'failed' }]).map(({ fullName, status }) => ({
        spec: basename(testFilePath),
        fullName,
        status,
      })),
    );
    const ran = new Set(tests.map(({ spec }) => spec));
    // Specs may be chosen by their names on the command line: then only their faults count.
    const tried = FAULTS.filter(({ spec }) => ran.has(spec));
    let survived = 0;
    process.stderr.write('\n');
    for (const { fault, spec, tests: which, checked } of tried) {
      const own = tests.filter((test) => test.spec === spec && (test.fullName === '' || which.test(test.fullName)));
      const isSurvived = own.length > 0 && own.every(({ status }) => status === 'passed');
      if (isSurvived) survived++;
      process.stderr.write(`${isSurvived ? 'survived' : 'NOT SURVIVED'}  ${fault}: ${checked}\n`);
    }
    const untold = tests.filter(
      (test) =>
        test.fullName !== '' &&
        !FAULTS.some(({ spec, tests: which }) => spec === test.spec && which.test(test.fullName)),
    );
    for (const { spec, fullName } of untold) process.stderr.write(`not in the list: ${spec}: ${fullName}\n`);
    process.stderr.write(`\n${survived} faults survived of ${tried.length}\n`);
    this.#isWell = survived === tried.length && untold.length === 0;
  }

  getLastError() {
    return this.#isWell ? undefined : new Error('not every fault was survived');
  }
}
