import { fieldsOf, npx, optionsOf, UNDECLARED, type WellKnownType } from './entry.js';
import { effectsSourceOf } from './tools-list.js';
import { PLAYWRIGHT_TOOLS } from './tools-lists/playwright.js';

/** No scope: a page leads to other pages by itself. */
export const PLAYWRIGHT: WellKnownType = {
  ...UNDECLARED,
  id: 17,
  qualified_name: 'microsoft/playwright-mcp',
  display_name: 'Playwright (browser)',
  description:
    "A browser without a window on the machine of the product, by Microsoft's server over stdio, with a fresh profile for each " +
    'session. It reaches every network that the machine reaches, and code of the caller can run in it: an admin grant is as good ' +
    'as an account on the machine. Needs npx and a browser on the machine.',
  provider_type: 'playwright',
  config_schema: { auth: fieldsOf({}), options: optionsOf() },
  transport: npx(PLAYWRIGHT_TOOLS, {}),
  // The open page belongs to whoever opened it.
  session_scope: 'principal',
  tool_effects: {
    browser_wait_for: 'read',
    browser_navigate: 'write',
    browser_navigate_back: 'write',
    browser_tabs: 'write',
    browser_close: 'write',
    browser_resize: 'write',
    browser_emulate_media: 'write',
    browser_hover: 'write',
    // They only look, and write what they see into a file where the caller names one.
    browser_console_messages: 'write',
    browser_find: 'write',
    browser_network_requests: 'write',
    browser_network_request: 'write',
    browser_take_screenshot: 'write',
    browser_snapshot: 'write',
    // Whatever the page does then: send, order, delete.
    browser_click: 'destructive',
    browser_drag: 'destructive',
    browser_fill_form: 'destructive',
    browser_handle_dialog: 'destructive',
    browser_press_key: 'destructive',
    browser_select_option: 'destructive',
    browser_type: 'destructive',
    // They take files of the machine.
    browser_drop: 'destructive',
    browser_file_upload: 'destructive',
    // They run code.
    browser_evaluate: 'destructive',
    browser_run_code_unsafe: 'destructive',
  },
  effects_source: effectsSourceOf(PLAYWRIGHT_TOOLS),
};
