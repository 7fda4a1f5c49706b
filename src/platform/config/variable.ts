import 'reflect-metadata';

/** What the README table and the start-up report say about one environment variable. */
export interface VariableDescription {
  name: string;
  description: string;
  /** Shown in the README where the default is computed. */
  defaultText?: string;
  sensitive: boolean;
}

const described = new Map<string, VariableDescription>();

/** Marks a property of {@link Environment} as a variable of the same name. */
export function Variable(description: string, options: { defaultText?: string; sensitive?: boolean } = {}) {
  return (_target: object, name: string | symbol): void => {
    described.set(String(name), {
      name: String(name),
      description,
      defaultText: options.defaultText,
      sensitive: options.sensitive ?? false,
    });
  };
}

/** All variables in the order in which they are declared. */
export function describedVariables(): VariableDescription[] {
  return [...described.values()];
}
