import { sameJson } from './definition-json.js';
import type { Definition, DefinitionEntry, DefinitionKind, PromptDefinition } from './definition.entity.js';
import { acceptsAllOf } from './schema-compatibility.js';
import { claimedEffect, greaterEffect } from './tool-identity.js';
import type { ToolDefinition, ToolEffect } from './tool.entity.js';

/** What is known of a definition. */
export type Reviewed = Pick<DefinitionEntry, 'latest' | 'approved' | 'status' | 'compatible'>;

/** Why a tool can't be called, if its definition is why. */
export type Blocked = 'definition_pending' | 'definition_rejected' | 'definition_changed';

export interface ReviewCircumstances {
  /** This discovery is the first that listed the kind to the end. */
  baseline: boolean;
  /** The connection takes definitions as they come. */
  trust: boolean;
}

/** What becomes of a definition that a discovery found, from what was known of it. */
export function review(
  kind: DefinitionKind,
  stored: Reviewed | null,
  latest: Definition,
  { baseline, trust }: ReviewCircumstances,
): Reviewed {
  const approved = stored?.approved ?? null;
  if (approved !== null && sameJson(approved, latest)) return approvedAs(latest);
  const compatible = approved !== null && isCompatible(kind, approved, latest);
  // Whoever said no to this very definition is not overruled by anything but a yes.
  if (stored?.status === 'rejected' && sameJson(stored.latest, latest)) {
    return { latest, approved, status: 'rejected', compatible };
  }
  // A baseline is for what nobody has decided on; what was approved before it and differs now has changed.
  if (trust || (baseline && approved === null)) return approvedAs(latest);
  return { latest, approved, status: 'pending', compatible };
}

/** What becomes of it when an admin decides on the latest definition. To reject what was approved withdraws the approval. */
export function decide(stored: Reviewed, latest: Definition, action: 'approve' | 'reject'): Reviewed {
  if (action === 'approve') return approvedAs(latest);
  const { approved, compatible } = stored;
  const isApproved = approved !== null && sameJson(approved, latest);
  return isApproved
    ? { latest, approved: null, status: 'rejected', compatible: false }
    : { latest, approved, status: 'rejected', compatible };
}

function approvedAs(latest: Definition): Reviewed {
  return { latest, approved: latest, status: 'approved', compatible: true };
}

/** Whether it says the same as before, for the row. */
export function sameReview(left: Reviewed | null, right: Reviewed): boolean {
  return (
    left !== null &&
    left.status === right.status &&
    left.compatible === right.compatible &&
    sameJson(left.latest, right.latest) &&
    sameJson(left.approved, right.approved)
  );
}

/** Whether people have something to look at that they had not before. */
export function newlyPending(before: Reviewed | null, after: Reviewed): boolean {
  return after.status === 'pending' && !(before?.status === 'pending' && sameJson(before.latest, after.latest));
}

export function inForce(reviewed: Pick<Reviewed, 'latest' | 'approved'>): Definition | null {
  return reviewed.approved ?? reviewed.latest;
}

export function blockedBecause({ status, approved, compatible }: Omit<Reviewed, 'latest'>): Blocked | null {
  if (status === 'approved') return null;
  if (approved === null) return status === 'rejected' ? 'definition_rejected' : 'definition_pending';
  return compatible ? null : 'definition_changed';
}

/** A raise applies at once, a lowering waits for approval. */
export function claimedEffectOf({ latest, approved, status }: Omit<Reviewed, 'compatible'>): ToolEffect {
  const claims = [latest, status === 'approved' ? latest : approved].flatMap((definition) =>
    definition === null ? [] : [claimedEffect(definition as ToolDefinition)],
  );
  return claims.reduce(greaterEffect, 'read');
}

function isCompatible(kind: DefinitionKind, approved: Definition, latest: Definition): boolean {
  switch (kind) {
    case 'tool':
      return acceptsAllOf((latest as ToolDefinition).inputSchema, (approved as ToolDefinition).inputSchema);
    case 'prompt':
      return takesAllArgumentsOf(latest as PromptDefinition, approved as PromptDefinition);
    case 'instructions':
      return true;
  }
}

/** No argument is gone, and none is required that was not. */
function takesAllArgumentsOf(latest: PromptDefinition, approved: PromptDefinition): boolean {
  const [current, old] = [argumentsOf(latest), argumentsOf(approved)];
  return (
    [...old.keys()].every((name) => current.has(name)) &&
    [...current].every(([name, required]) => !required || old.get(name) === true)
  );
}

/** Name of each argument, and whether it is required (MCP 2025-11-25, PromptArgument). */
function argumentsOf(prompt: PromptDefinition): Map<string, boolean> {
  return new Map(
    (prompt.arguments ?? []).map((each) => {
      const { name, required } = (each ?? {}) as { name?: unknown; required?: unknown };
      return [String(name), required === true];
    }),
  );
}
