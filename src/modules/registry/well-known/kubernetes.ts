import { fieldsOf, npx, optionsOf, UNDECLARED, type WellKnownType } from './entry.js';
import { effectsSourceOf } from './tools-list.js';
import { KUBERNETES_TOOLS } from './tools-lists/kubernetes.js';

/**
 * No scope of namespaces: some tools list all of them whatever they are asked, and for kinds that belong to the whole
 * cluster the server ignores the namespace in the arguments. It is started without its tools that show the kubeconfig.
 */
export const KUBERNETES: WellKnownType = {
  ...UNDECLARED,
  id: 16,
  qualified_name: 'containers/kubernetes-mcp-server',
  display_name: 'Kubernetes',
  description:
    'Pods, logs and resources of a cluster, by the native server of the containers project over stdio. Limit it by the roles of ' +
    'the account in the kubeconfig: it reads whatever that account may, secrets too. Needs npx on the machine.',
  provider_type: 'kubernetes',
  config_schema: {
    auth: fieldsOf({}),
    options: optionsOf(
      {
        kubeconfig: { type: 'string', pattern: '^/', maxLength: 1024, description: 'Absolute path of the kubeconfig' },
      },
      ['kubeconfig'],
    ),
  },
  transport: npx(KUBERNETES_TOOLS, { KUBECONFIG: '{options.kubeconfig}' }),
  session_scope: 'connection',
  tool_effects: {
    events_list: 'read',
    namespaces_list: 'read',
    projects_list: 'read',
    nodes_log: 'read',
    nodes_stats_summary: 'read',
    nodes_top: 'read',
    pods_get: 'read',
    pods_list: 'read',
    pods_list_in_namespace: 'read',
    pods_log: 'read',
    pods_top: 'read',
    resources_get: 'read',
    resources_list: 'read',
    pods_run: 'write',
    pods_delete: 'destructive',
    // Runs commands inside a pod.
    pods_exec: 'destructive',
    resources_create_or_update: 'destructive',
    resources_delete: 'destructive',
    // Down to nothing, too.
    resources_scale: 'destructive',
  },
  effects_source: effectsSourceOf(KUBERNETES_TOOLS),
};
