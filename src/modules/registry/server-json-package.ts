import { parsedUrl } from '../../platform/egress/parse-url.js';
import { argumentsIn, fixedWords, MOST_ARGUMENTS } from './server-json-arguments.js';
import { environmentOf, isEnvironment } from './server-json-environment.js';
import { AuthFields } from './server-json-inputs.js';
import type { Place } from './server-json-place.js';
import type { Reached } from './server-json-remote.js';

interface Launcher {
  identifier: RegExp;
  version: RegExp;
  /** Where packages come from; a document that names another place is refused, since the program would not look there. */
  registry: RegExp;
  command: string;
  args: (identifier: string, version: string, variables: readonly string[]) => string[];
  /** Between the package and its own arguments. */
  divider?: string;
}

/** Nothing that fits these patterns begins with a dash, so nothing becomes an option of the program; there is no shell. */
const LAUNCHERS: Readonly<Record<string, Launcher>> = {
  npm: {
    identifier: /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/,
    version: /^\d+\.\d+\.\d+(?:-[0-9A-Za-z][0-9A-Za-z.-]*)?$/,
    registry: /^https:\/\/registry\.npmjs\.org\/?$/,
    command: 'npx',
    args: (identifier, version) => ['-y', `${identifier}@${version}`],
  },
  pypi: {
    identifier: /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    // PEP 440, section "Public version identifiers", each part once.
    version: /^\d+(?:\.\d+)*(?:[._-]?(?:a|b|rc|alpha|beta)\.?\d+)?(?:\.post\d+)?(?:\.dev\d+)?$/,
    registry: /^https:\/\/pypi\.org(\/simple)?\/?$/,
    command: 'uvx',
    args: (identifier, version) => [`${identifier}@${version}`],
  },
  nuget: {
    identifier: /^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/,
    version: /^\d+\.\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z][0-9A-Za-z.-]*)?$/,
    registry: /^https:\/\/api\.nuget\.org(\/v3\/index\.json)?\/?$/,
    command: 'dnx',
    args: (identifier, version) => [`${identifier}@${version}`, '--yes'],
    divider: '--',
  },
  oci: {
    identifier:
      /^(?:[a-z0-9][a-z0-9.-]*(?::\d{1,5})?\/)?[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?$/,
    version: /^(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/i,
    registry: /^https:\/\/[a-z0-9][a-z0-9.-]*(?::\d{1,5})?\/?$/,
    command: 'docker',
    args: (image, _version, variables) => ['run', '-i', '--rm', ...variables.flatMap((name) => ['-e', name]), image],
  },
};

/** What is said to each program anyway, or would change nothing. */
const SAID_ANYWAY: Readonly<Record<string, readonly string[]>> = {
  npx: ['-y', '--yes'],
  dnx: ['-y', '--yes'],
  docker: ['run', '-i', '--interactive', '--rm'],
};

/** An entry of `packages`, as the program that runs it: always a process, always the one version. */
export function readPackage(entry: Place): Reached | null {
  const kind = entry.member('registryType');
  const type = kind.text(64) ?? '';
  const launcher = Object.hasOwn(LAUNCHERS, type) ? LAUNCHERS[type] : undefined;
  if (!launcher) {
    kind.report(`must be one of ${Object.keys(LAUNCHERS).join(', ')}: others can not be started`);
    return null;
  }
  refuseUncheckable(entry);
  const [identifier, version] = type === 'oci' ? [imageOf(entry, launcher), ''] : packageOf(entry, launcher);
  const fields = new AuthFields();
  const variables = environmentOf(entry, fields, launcher.command);
  refuseRuntimeArguments(entry, launcher.command, identifier);
  const own = fixedWords(entry.member('packageArguments').list(MOST_ARGUMENTS));
  const args = launcher.args(identifier, version, [...variables.keys()]);
  const divider = own.length > 0 && launcher.divider !== undefined ? [launcher.divider] : [];
  const env = [...variables].map(([name, { template }]) => [name, template] as const);
  return {
    auth: fields.schema,
    transport: {
      type: 'stdio',
      command: launcher.command,
      args: [...args, ...divider, ...own],
      env: Object.fromEntries(env),
    },
    places: new Map([...variables].map(([name, { place }]) => [`transport.env.${name}`, place])),
  };
}

function refuseUncheckable(entry: Place): void {
  const transport = entry.member('transport');
  if (transport.isThere && transport.member('type').text(64) !== 'stdio')
    transport.member('type').report('must be stdio: a process is spoken to through its standard streams');
  if (entry.member('fileSha256').isThere)
    entry.member('fileSha256').report('can not be checked: the program that starts the package downloads it');
}

function packageOf(entry: Place, { identifier, version, registry }: Launcher): [identifier: string, version: string] {
  const base = entry.member('registryBaseUrl');
  if (base.isThere && !registry.test(base.text(2_048) ?? ''))
    base.report('is not where packages of this type come from');
  return [
    entry.member('identifier').neededText(214, identifier, 'must be the name of a package'),
    entry.member('version').neededText(128, version, 'must be one exact version, no range and no tag'),
  ];
}

/** The image of an OCI package. Newer documents write tag or digest into the identifier, older ones have registry and version apart. */
function imageOf(entry: Place, { identifier, version, registry }: Launcher): string {
  const place = entry.member('identifier');
  const name = place.neededText(512, identifier, 'must be the reference of an image');
  const base = entry.member('registryBaseUrl');
  const host =
    base.isThere && registry.test(base.text(2_048) ?? '') ? (parsedUrl(`${base.value as string}`)?.host ?? '') : '';
  if (base.isThere && host === '') base.report('must be the address of a registry of images, such as https://ghcr.io');
  const prefix = host === '' || /(^|\.)docker\.io$/.test(host) || name.startsWith(`${host}/`) ? '' : `${host}/`;
  if (name.includes('@sha256:')) return prefix + name;
  const tag = /:([^:/]+)$/.exec(name)?.[1];
  if (tag === undefined) {
    const given = entry.member('version').neededText(128, version, 'must be one version of the image, and not latest');
    return `${prefix}${name}:${given}`;
  }
  if (!version.test(tag)) place.report('must name one version of the image, and not latest');
  return prefix + name;
}

/** What is there already may be repeated. Anything else decides what the package may do on the machine: no document does. */
function refuseRuntimeArguments(entry: Place, command: string, identifier: string): void {
  const listed = entry.member('runtimeArguments').list(MOST_ARGUMENTS);
  const others = listed.filter((argument) => !isEnvironment(argument, command));
  // Some documents name the image once more, and some write flags as `--rm true`.
  const harmless = [...(SAID_ANYWAY[command] ?? []), identifier, withoutTag(identifier), 'true'];
  for (const { name, words, place } of argumentsIn(others)) {
    // A flag by its name already: without a value it may be one that takes none.
    const said = [...(name === null ? [] : [name]), ...(words ?? [])];
    if (!said.every((word) => harmless.includes(word.replace(/=true$/, ''))))
      place.report('changes how the package is run: define such a type by POST /api/v1/mcp/registry/');
  }
}

function withoutTag(image: string): string {
  return image.replace(/(:[^:/@]+)?(@.*)?$/, '');
}
