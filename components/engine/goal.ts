/** What the program asks for when it registers a resource: pulumirpc.RegisterResourceRequest with plain values. */
import type { PropertyMap } from "./provider.ts";
import type { CustomTimeouts, ResourceHooks } from "./resource-state.ts";

/** Another identity the resource may have had: a whole URN, or what of it was different. */
export type Alias =
  | { urn: string }
  | { name: string; type: string; stack: string; project: string; parent: string; noParent: boolean };

export interface Goal {
  type: string;
  name: string;
  custom: boolean;
  /** The parent's URN, or "". */
  parent: string;
  inputs: PropertyMap;
  /** The provider reference the program gave, or "". */
  provider: string;
  /** A component's providers by package, for what lies below it. */
  providers: Record<string, string>;
  /** The version of the plugin the program was written against, or "". */
  version: string;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  /** Undefined where the program leaves it to the parent. */
  protect: boolean | undefined;
  retainOnDelete: boolean | undefined;
  deleteBeforeReplace: boolean | undefined;
  deletedWith: string;
  replaceWith: string[];
  ignoreChanges: string[];
  replaceOnChanges: string[];
  hideDiff: string[];
  additionalSecretOutputs: string[];
  aliases: Alias[];
  /** The id of an existing object to take over, or "". */
  importId: string;
  customTimeouts: CustomTimeouts;
  replacementTrigger: unknown;
  hooks: ResourceHooks;
}

/** What the program asks for when it looks a resource up (`.get`). */
export interface ReadGoal {
  type: string;
  name: string;
  parent: string;
  id: string;
  properties: PropertyMap;
  provider: string;
  version: string;
  dependencies: string[];
  additionalSecretOutputs: string[];
}

const UNITS: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** Seconds of a Go duration such as `1h30m`, as customTimeouts has it; 0 for "". Throws on anything else. */
export function parseDuration(text: string): number {
  if (text === "") return 0;
  let seconds = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g, (_, amount: string, unit: string) => {
    seconds += Number(amount) * UNITS[unit]!;
    return "";
  });
  if (rest !== "") throw new Error(`'${text}' is not a duration; write it like 90s or 1h30m`);
  return seconds;
}

/** A custom resource of which nothing is said yet. */
export const EMPTY_GOAL: Goal = {
  type: "",
  name: "",
  custom: true,
  parent: "",
  inputs: {},
  provider: "",
  providers: {},
  version: "",
  dependencies: [],
  propertyDependencies: {},
  protect: undefined,
  retainOnDelete: undefined,
  deleteBeforeReplace: undefined,
  deletedWith: "",
  replaceWith: [],
  ignoreChanges: [],
  replaceOnChanges: [],
  hideDiff: [],
  additionalSecretOutputs: [],
  aliases: [],
  importId: "",
  customTimeouts: {},
  replacementTrigger: undefined,
  hooks: {},
};
