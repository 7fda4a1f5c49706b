import { JiraClient } from './jira-client.js';
import { ProjectDirectory } from './project-directory.js';

const PROJECTS = Array.from({ length: 10_000 }, (_, index) => ({ id: String(index), key: `P${index}`, name: 'x' }));

/** A Jira that has these projects, and counts how often it is asked. */
function directory(version: 2 | 3): { projects: ProjectDirectory; asked: () => number } {
  let asked = 0;
  const credentials = { baseUrl: 'https://jira.example', pagesUrl: '', authorization: '', secrets: [] };
  const answer = async (input: string | URL): Promise<Response> => {
    asked++;
    const keys = new URL(input).searchParams.getAll('keys');
    const values = PROJECTS.filter(({ key }) => keys.includes(key));
    return Response.json(version === 3 ? { values } : PROJECTS);
  };
  return { projects: new ProjectDirectory(new JiraClient(answer, credentials, version)), asked: () => asked };
}

describe('a thousand projects by their keys', () => {
  it.each([
    [2, 1],
    [3, 20],
  ] as const)('are found among ten thousand, at version %i with %i requests', async (version, requests) => {
    const { projects, asked } = directory(version);
    const keys = Array.from({ length: 999 }, (_, index) => `p${index * 10}`);
    const signal = new AbortController().signal;
    const found = await projects.known([...keys, 'GONE'], signal);
    expect(found.map(({ key }) => key)).toEqual(keys.map((key) => key.toUpperCase()));
    expect(asked()).toBe(requests);
    await projects.known([...keys, 'GONE'], signal);
    expect(asked()).toBe(requests);
  });
});
