import type { StartBuiltin } from '../../mcp/builtin-server.js';
import { providerServer } from '../kit/provider-server.js';
import type { Provider } from '../provider.js';
import { connectedJira } from './jira-connection.js';
import { JIRA_ENTRY } from './jira-entry.js';
import { jiraResources } from './jira-resources.js';
import { jiraSession } from './jira-session.js';
import { readTools } from './read-tools.js';
import { writeTools } from './write-tools.js';

const INSTRUCTIONS =
  'Issues of a Jira. search_issues finds them by JQL and get_issue reads one; list_projects and list_issue_types say what ' +
  'there is. create_issue, update_issue, transition_issue and add_comment change it and answer what it became. Texts are ' +
  'plain. A resource jira://KEY/issues holds the issues of a project.';

const start: StartBuiltin = async (settings, context) => {
  const { client, version, title, timeZone, serverTime } = await connectedJira(settings, context);
  const session = jiraSession(client, timeZone);
  const server = providerServer({
    info: { name: 'jira', title, version },
    instructions: INSTRUCTIONS,
    tools: [...readTools(session), ...writeTools(session)],
    resources: jiraResources(session),
  });
  return { server, ...(serverTime === null ? {} : { serverTime }) };
};

export const JIRA: Provider = { name: 'jira', entry: JIRA_ENTRY, start };
