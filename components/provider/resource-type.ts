/**
 * What the provider knows of one type of resource: its properties as schemas, and four actions on the host. Everything
 * else (unknowns, secrets, diffs, previews, owners) is the same for all of them and stands in `provider.ts`.
 */
import type { z } from "zod";
import type { Host, Limit } from "../host/connection.ts";

/** What an action may use. */
export interface Action {
  readonly host: Host;
  readonly limit: Limit;
  /** The resource's URN: written on what it makes, and asked before anything is taken away. */
  readonly owner: string;
  /** Tells a person who watches what is going on; for what takes longer than a moment. */
  readonly tell: (message: string) => void;
}

/** What a look at the host found. */
export interface Found<Inputs, Facts> {
  readonly inputs: Inputs;
  readonly facts: Facts;
  /** The URN written on the object; undefined where nobody declared it. */
  readonly owner: string | undefined;
}

/** A property whose reality is not what the state says. */
export interface Drift {
  readonly property: string;
  /** One clause for a person: "the server is not running". */
  readonly reason: string;
}

/** What a question about drift answers. */
export type DriftAnswer = { readonly drift: readonly Drift[] } | { readonly warning: string };

export interface ResourceType<Inputs extends object, Facts extends object> {
  /** `mailkeep:index:` and the class's name. */
  readonly token: string;
  readonly description: string;
  readonly inputs: z.ZodObject;
  /** Outputs that are no inputs: what only the host can tell. */
  readonly facts: z.ZodObject;
  /** Inputs that the id is made of. Another id is another object: only that replaces one. */
  readonly identity: readonly (keyof Inputs & string)[];
  /** Inputs that are secret. They stand in no output. */
  readonly secrets: readonly (keyof Inputs & string)[];
  /** Inputs that are kept as they were written: checked, but without the defaults of what lies in them. */
  readonly written?: readonly (keyof Inputs & string)[];
  /** Inputs that depend on each other, checked when all of them are known and right in themselves. */
  check?(inputs: Inputs): { property: string; reason: string }[];
  /** What the program may leave to the provider, by property: filled in from local knowledge alone. */
  readonly fill?: { readonly [K in keyof Inputs]?: (host: Host) => Promise<Inputs[K]> };
  /** The object lies outside the data directories: it is there, or not, without them. */
  readonly outside?: true;
  id(inputs: Inputs): string;
  /** Makes the object or changes it into what is declared; again and again with the same result. */
  put(action: Action, inputs: Inputs, before: Inputs | undefined): Promise<Facts>;
  /**
   * `inputs` and `facts` are those of the state; undefined in an import, where only the id is known. Undefined when it is
   * gone.
   */
  read(
    action: Action,
    id: string,
    inputs: Inputs | undefined,
    facts: Facts | undefined,
  ): Promise<Found<Inputs, Facts> | undefined>;
  /** Ends what was declared. Never deletes mail, and nothing at all where the owner written on the object is another. */
  remove(action: Action, inputs: Inputs): Promise<void>;
  /** Facts become others on the host by itself; where `drift` says so, a preview of the update reads them. */
  readonly moving?: boolean;
  /**
   * What the host says about an object whose declaration did not change; `facts` are those of the state. For types where reality
   * counts in each diff.
   */
  drift?(action: Action, inputs: Inputs, facts: Facts): Promise<DriftAnswer>;
}

/** A resource type as a row of the table, its own types forgotten. */
export type AnyResourceType = ResourceType<Record<string, unknown>, Record<string, unknown>>;

/** Closes a type over its schemas: what `inputs` parsed is what the actions get. */
export function resourceType<I extends z.ZodObject, F extends z.ZodObject>(
  type: Omit<ResourceType<z.output<I>, z.output<F>>, "inputs" | "facts"> & { inputs: I; facts: F },
): AnyResourceType {
  return type as unknown as AnyResourceType;
}
