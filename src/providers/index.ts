import { GITHUB } from './github/github.provider.js';
import { JIRA } from './jira/jira.provider.js';
import type { Provider } from './provider.js';

/** Everything that ships. CONTRIBUTING.md says how to add one. */
export const PROVIDERS: readonly Provider[] = [JIRA, GITHUB];
