import { startGithub, USER_TOKEN } from './github/github.js';
import { startJira } from './jira/jira-server.js';

// A Jira and a GitHub to look at the product with, on loopback, without an account anywhere. What is written to
// them is there until they end.
const [jira, github] = [
  await startJira({ port: Number(process.env.DEMO_JIRA_PORT ?? 3902) }),
  await startGithub({ port: Number(process.env.DEMO_GITHUB_PORT ?? 3903) }),
];
process.stdout.write(`Jira    ${jira.url}  ${jira.email}  ${jira.token}\nGitHub  ${github.url}  ${USER_TOKEN}\n`);
