// Objects against the types of Kubernetes, strictly. Those of `kubernetes-models` are made from its OpenAPI document: with them
// the compiler finds unknown and missing fields, and the package's own validators find wrong values.
import path from 'node:path';
import ts from 'typescript';

/** What is wrong with each object, in their order. */
export async function kubernetesProblems(objects) {
  const files = new Map(
    objects.map(({ apiVersion, kind, ...rest }, index) => [
      path.resolve(`object-${index}.ts`),
      `import type { I${kind} } from 'kubernetes-models/${apiVersion}/${kind}';\n` +
        `export const object: I${kind} = ${JSON.stringify({ apiVersion, kind, ...rest }, null, 1)};\n`,
    ]),
  );
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, target) =>
    files.has(name) ? ts.createSourceFile(name, files.get(name), target) : getSourceFile.call(host, name, target);
  host.fileExists = (name) => files.has(name) || fileExists.call(host, name);
  host.readFile = (name) => files.get(name) ?? readFile.call(host, name);
  const program = ts.createProgram([...files.keys()], options, host);
  return Promise.all(
    [...files.keys()].map(async (name, index) => [
      ...ts.getPreEmitDiagnostics(program, program.getSourceFile(name)).map(({ messageText, start }) => {
        const line = files.get(name).slice(0, start).split('\n').length;
        const place = files.get(name).split('\n')[line - 1].trim();
        return `${objects[index].kind}: ${place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
      }),
      ...(await wrongValues(objects[index])),
    ]),
  );
}

async function wrongValues(object) {
  const { apiVersion, kind } = object;
  try {
    const models = await import(`kubernetes-models/${apiVersion}/${kind}`);
    new models[kind](object).validate();
    return [];
  } catch (error) {
    return [`${kind}: ${error.message}`];
  }
}
