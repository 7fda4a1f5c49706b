// Jest's module registry cannot require() ES modules before Node 24.9, and several dependencies ship nothing else:
// the project's TypeScript and every ES module of a dependency are compiled to CommonJS; CommonJS passes untouched, unless it
// imports something later on, which Jest can't do either.
const { createHash } = require('node:crypto');
const { existsSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { createTransformer } = require('@swc/jest');

const common = { module: { type: 'commonjs' } };
const typescript = createTransformer({
  ...common,
  sourceMaps: 'inline',
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
    target: 'es2023',
    keepClassNames: true,
  },
});
const javascript = createTransformer({
  ...common,
  sourceMaps: false,
  jsc: { parser: { syntax: 'ecmascript' }, target: 'es2023', keepClassNames: true },
});

const IMPORTS_LATER = /(?<![\w.$])import\(['"]/;
const moduleTypeOf = new Map();

function isEsModule(file) {
  if (file.endsWith('.mjs')) return true;
  if (file.endsWith('.cjs')) return false;
  return declaresEsModule(dirname(file));
}

function declaresEsModule(folder) {
  if (!moduleTypeOf.has(folder)) {
    const manifest = join(folder, 'package.json');
    const parent = dirname(folder);
    moduleTypeOf.set(
      folder,
      existsSync(manifest)
        ? JSON.parse(readFileSync(manifest, 'utf8')).type === 'module'
        : parent !== folder && declaresEsModule(parent),
    );
  }
  return moduleTypeOf.get(folder);
}

module.exports = {
  canInstrument: false,
  getCacheKey: (source, file, options) =>
    createHash('sha1').update('2').update(source).update(file).update(options.configString).digest('hex'),
  process(source, file, options) {
    if (/\.[cm]?tsx?$/.test(file)) return typescript.process(source, file, options);
    const isTaken = isEsModule(file) || IMPORTS_LATER.test(source);
    return isTaken ? javascript.process(source, file, options) : { code: source };
  },
};
