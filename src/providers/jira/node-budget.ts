import { ToolFailure } from '../kit/tool.js';
import { TOO_LARGE } from './modest-json.js';

const MOST_OF_FIELD = 5_000;
const MOST_OF_ISSUE = 50_000;
const MOST_OF_PAGE = 200_000;

/** Values that may still be told: what is told is copied, checked and filtered while everybody waits. */
export interface NodeBudget {
  left: number;
}

export function issueBudget(): NodeBudget {
  return { left: MOST_OF_ISSUE };
}

export function pageBudget(): NodeBudget {
  return { left: MOST_OF_PAGE };
}

/**
 * Lets a field have its share, after which it is cut: a hundred links of an issue are told, and not ten thousand.
 * @throws ToolFailure where all fields together are too much
 */
export function withinField<T>(whole: NodeBudget, tell: (field: NodeBudget) => T): T {
  const share = Math.min(MOST_OF_FIELD, whole.left);
  const field = { left: share };
  const told = tell(field);
  whole.left -= share - Math.max(0, field.left);
  if (whole.left <= 0) throw new ToolFailure(TOO_LARGE);
  return told;
}
