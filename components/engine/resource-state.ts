/**
 * A resource as the checkpoint holds it (apitype.ResourceV3), with its values decrypted into wire form. The
 * names are those of the file, so that writing is a matter of leaving out what is empty. Fields of newer
 * Pulumi versions that the engine does not know are carried along in `extra`.
 */
import type { PropertyMap } from "./provider.ts";

/** Limits of single operations in seconds; 0 or absent where the program sets none. */
export interface CustomTimeouts {
  create?: number;
  update?: number;
  delete?: number;
  read?: number;
}

/** Names of registered hooks by moment, such as `BeforeDelete`. */
export type ResourceHooks = Record<string, string[]>;

export interface ResourceState {
  urn: string;
  custom: boolean;
  /** The old half of a replacement, still to be deleted. */
  delete?: boolean;
  id?: string;
  type: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
  parent?: string;
  protect?: boolean;
  taint?: boolean;
  /** Read, not owned: never changed or deleted. */
  external?: boolean;
  dependencies?: string[];
  initErrors?: string[];
  provider?: string;
  propertyDependencies?: Record<string, string[]>;
  /** Deleted as the first half of a delete-before-replace; its successor is not made yet. */
  pendingReplacement?: boolean;
  additionalSecretOutputs?: string[];
  /** URNs the resource had before; only within one operation, never written. */
  aliases?: string[];
  customTimeouts?: CustomTimeouts;
  importID?: string;
  retainOnDelete?: boolean;
  deletedWith?: string;
  replaceWith?: string[];
  created?: string;
  modified?: string;
  ignoreChanges?: string[];
  hideDiff?: string[];
  replaceOnChanges?: string[];
  replacementTrigger?: unknown;
  resourceHooks?: ResourceHooks;
  extra?: Record<string, unknown>;
}

export type OperationType = "creating" | "updating" | "deleting" | "reading" | "importing";

/** A step that had begun when the checkpoint was written. */
export interface PendingOperation {
  resource: ResourceState;
  type: OperationType;
}

/** Everything a resource stands on, other than its parent: what must exist before it and outlive it. */
export function dependenciesOf(state: ResourceState): string[] {
  return [
    ...(state.dependencies ?? []),
    ...Object.values(state.propertyDependencies ?? {}).flat(),
    ...(state.deletedWith ? [state.deletedWith] : []),
    ...(state.replaceWith ?? []),
  ];
}
