import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';
import { MOST_ARGUMENTS } from './server-json-arguments.js';
import { filledIn, MOST_INPUTS, templateOf, type AuthFields } from './server-json-inputs.js';
import { Place } from './server-json-place.js';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
/** Variables that would change what is started, from where it comes or what it loads, rather than how the server works. */
const STEERING = new RegExp(
  `^(${[
    'path|home|shell|env|bash_env|appdata|userprofile|xdg_.*',
    'ld_.*|dyld_.*|gconv_path|glibc_tunables|ssl_cert_.*',
    'node_(?!env$).*|npm_config_.*',
    'python(?!unbuffered$|utf8$|ioencoding$).*|pip_.*|uv_.*',
    'dotnet_(?!environment$).*|cor_.*|coreclr_.*|nuget_.*',
    'docker_.*',
  ].join('|')})$`,
  'i',
);

/** An environment variable of a process: what it is set to, and where the document says so. */
export interface Variable {
  template: string;
  place: Place;
}

/** What `environmentVariables` says, and for containers what `-e NAME=value` among the arguments of the runtime says. */
export function environmentOf(entry: Place, fields: AuthFields, command: string): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  const add = (name: string, place: Place, named: Place, template: string): void => {
    if (FORBIDDEN_KEYS.has(name) || STEERING.test(name)) named.report('may not be set by an imported type');
    if (variables.has(name)) named.report('is there twice');
    variables.set(name, { template, place });
  };
  for (const place of entry.member('environmentVariables').list(MOST_INPUTS)) {
    const named = place.member('name');
    const name = named.neededText(64, VARIABLE, 'must be the name of an environment variable');
    add(name, place, named, templateOf(name, place, fields));
  }
  for (const place of entry.member('runtimeArguments').list(MOST_ARGUMENTS)) {
    if (!isEnvironment(place, command)) continue;
    const value = place.member('value');
    const [, name = '', text = ''] = /^([^={}]*)=(.*)$/s.exec(value.text(2_048) ?? '') ?? [];
    if (!VARIABLE.test(name)) value.report('must look like NAME=value');
    const inherited = { isRequired: place.member('isRequired').flag(), isSecret: place.member('isSecret').flag() };
    const rest = new Place(text, value.path, value.problems);
    add(name, place, value, filledIn(rest, place.member('variables').map(MOST_INPUTS), fields, inherited).text);
  }
  return variables;
}

/** Whether an argument of a runtime sets an environment variable in the container. */
export function isEnvironment(argument: Place, command: string): boolean {
  const { value: name } = argument.member('name');
  return command === 'docker' && argument.member('type').value === 'named' && (name === '-e' || name === '--env');
}
