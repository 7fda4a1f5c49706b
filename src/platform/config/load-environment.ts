import { validateSync } from 'class-validator';
import { Environment } from './environment.js';
import { describedVariables } from './variable.js';

/** `EX_CONFIG` of sysexits.h: the process was started with a wrong configuration. */
export const EXIT_CONFIGURATION = 78;

/** Every wrong variable at once, so that one restart mends all of them. Values of sensitive ones are not named. */
export class ConfigurationError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration has ${problems.length} problem(s):\n${problems.map((line) => `  - ${line}`).join('\n')}`);
  }
}

const WEAK = /^(change.?me|secret|password|default|example|test|admin|your)/i;

/**
 * Reads and checks the environment. An empty variable counts as not set.
 * @throws ConfigurationError listing every problem
 */
export function loadEnvironment(source: NodeJS.ProcessEnv): Environment {
  const environment = new Environment();
  const problems: string[] = [];
  for (const { name } of describedVariables()) {
    const text = source[name]?.trim();
    if (text === undefined || text === '') continue;
    const parsed = parse(text, Reflect.getMetadata('design:type', Environment.prototype, name));
    if (parsed === undefined) problems.push(`${name} must be ${expectation(name)}`);
    else Object.assign(environment, { [name]: parsed });
  }
  fillComputedDefaults(environment, source);
  for (const error of validateSync(environment)) {
    // Derived from PORT and HOST, it is theirs to mend.
    if (error.property === 'PUBLIC_URL' && !source.PUBLIC_URL) continue;
    problems.push(
      ...Object.values(error.constraints ?? {}).map((text) =>
        text.startsWith(error.property) ? text : `${error.property}: ${text}`,
      ),
    );
  }
  if (environment.NODE_ENV === 'production') problems.push(...productionProblems(environment));
  if (problems.length > 0) throw new ConfigurationError([...new Set(problems)]);
  return environment;
}

/** For the entry points: the environment, or every problem on the console and exit code 78. */
export function environmentOrExit(): Environment {
  try {
    return loadEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIGURATION);
  }
}

function parse(text: string, type: unknown): unknown {
  if (type === Number) return /^\d+$/.test(text) ? Number(text) : undefined;
  if (type === Boolean) return { true: true, false: false, 1: true, 0: false }[text.toLowerCase()];
  if (type === Array) {
    return text
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '');
  }
  return text;
}

function expectation(name: string): string {
  return Reflect.getMetadata('design:type', Environment.prototype, name) === Number
    ? 'a whole number'
    : 'true or false';
}

function fillComputedDefaults(environment: Environment, source: NodeJS.ProcessEnv): void {
  const host = environment.HOST.includes(':') ? `[${environment.HOST}]` : environment.HOST;
  environment.PUBLIC_URL = (environment.PUBLIC_URL || `http://${host}:${environment.PORT}`).replace(/\/+$/, '');
  environment.JWT_AUDIENCE ||= environment.PUBLIC_URL;
  if (source.EGRESS_ALLOW === undefined && environment.NODE_ENV !== 'production') {
    environment.EGRESS_ALLOW = ['127.0.0.0/8', '::1'];
  }
}

function productionProblems(environment: Environment): string[] {
  const problems: string[] = [];
  if (!environment.JWT_SECRET) problems.push('JWT_SECRET is required in production');
  else if (isWeak(environment.JWT_SECRET)) problems.push('JWT_SECRET is too easy to guess: use 32 random bytes');
  if (environment.ENCRYPTION_KEYS.length === 0) problems.push('ENCRYPTION_KEYS is required in production');
  if (environment.ADMIN_PASSWORD && (environment.ADMIN_PASSWORD.length < 12 || isWeak(environment.ADMIN_PASSWORD))) {
    problems.push('ADMIN_PASSWORD is too easy to guess: use at least 12 characters');
  }
  return problems;
}

/** Placeholders from examples, and keys of few different characters. */
function isWeak(secret: string): boolean {
  return WEAK.test(secret) || new Set(secret).size < 8;
}
