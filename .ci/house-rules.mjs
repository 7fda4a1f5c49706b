// Rules that no tool brings along: what a stranger would trip over in the tree, and versions known to be unsafe.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const problems = [];
const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean);
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const { packages: safe } = JSON.parse(readFileSync('.ci/safe-versions.json', 'utf8'));

forbid(
  // What it compares with may not be copied into the project, so a clone alone does not have it.
  /^(?!src\/providers\/jira\/jira-prism\.spec\.ts$).*\.ts$/,
  /\b(?:it|test|describe)(?:\.\w+)*\.(?:only|skip|todo)\b|\b(?:xit|xtest|xdescribe|fit|fdescribe)\(/,
  'skips tests',
);
forbid(/^(?:src|test|migrations|bench)\//, /\b(?:TODO|FIXME|XXX)\b/, 'is not finished');
forbid(/^src\/(?!.*\.spec\.ts$)/, /\bconsole\.|\bdebugger\b/, 'writes past the log');

for (const group of ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides']) {
  for (const [name, version] of Object.entries(manifest[group] ?? {})) {
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      problems.push(`package.json: ${name} ${version} is no exact version`);
  }
}
for (const [place, { version, resolved }] of Object.entries(packages)) {
  if (resolved !== undefined) problems.push(`package-lock.json: ${place} names the host ${resolved}`);
  const rule = safe[place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)];
  if (rule && version && !isSafe(version, rule.from)) {
    problems.push(`${place} ${version} is not safe (${rule.because}): take ${rule.from.join(' or ')}`);
  }
}

for (const problem of problems) console.log(problem);
console.log(`${tracked.length} files, ${Object.keys(packages).length} packages: ${problems.length} problem(s)`);
process.exitCode = problems.length === 0 ? 0 : 1;

function forbid(files, pattern, what) {
  for (const file of tracked.filter((name) => files.test(name))) {
    readFileSync(file, 'utf8')
      .split('\n')
      .forEach((line, index) => {
        if (pattern.test(line)) problems.push(`${file}:${index + 1} ${what}: ${line.trim()}`);
      });
  }
}

function isSafe(version, firstSafe) {
  const [major, minor, patch] = version.split(/[.-]/).map(Number);
  const starts = firstSafe.map((text) => text.split('.').map(Number));
  const ofMajor = starts.find((start) => start[0] === major);
  if (!ofMajor) return major > Math.max(...starts.map((start) => start[0]));
  return minor > ofMajor[1] || (minor === ofMajor[1] && patch >= ofMajor[2]);
}
