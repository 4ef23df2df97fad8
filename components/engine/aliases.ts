/**
 * Which old resource a registration continues (pkg/resource/deploy/step_generator.go: getOldResource,
 * generateAliases, inheritedChildAlias). Looked up by its URN, then by the aliases the program names, then by
 * those it has because its parent was found under another URN.
 *
 * Getting this wrong deletes what it should have kept: a child whose name begins with its parent's name follows
 * the parent's old name (`mx1-config` below `mx1`, once `mail`, was `mail-config`).
 */
import type { Alias, Goal } from "./goal.ts";
import type { ResourceState } from "./resource-state.ts";
import { makeUrn, parseUrn, urnBelow } from "./urn.ts";

export interface Found {
  old?: ResourceState;
  /** The URN the old resource was found under, when it is another one. */
  alias?: string;
}

export class AliasTable {
  readonly #stack: string;
  readonly #project: string;
  readonly #olds: ReadonlyMap<string, ResourceState>;
  /** New URN to the old one it continues. */
  readonly #aliasOf = new Map<string, string>();
  /** Old URN to the new one that continues it. */
  readonly #continuedBy = new Map<string, string>();

  constructor(stack: string, project: string, olds: ReadonlyMap<string, ResourceState>) {
    this.#stack = stack;
    this.#project = project;
    this.#olds = olds;
  }

  /** The new URN that continues an old one, if a registration did. */
  continuedBy(urn: string): string | undefined {
    return this.#continuedBy.get(urn);
  }

  /** Finds the old resource. `seen` are the URNs registered so far. Throws where two resources claim the same one. */
  find(
    urn: string,
    goal: Pick<Goal, "name" | "type" | "parent" | "aliases">,
    seen: ReadonlySet<string>,
  ): Found {
    const claimed = this.#continuedBy.get(urn);
    if (claimed) throw new Error(`${urn} is already continued as ${claimed}, which names it as an alias`);
    for (const candidate of [urn, ...this.#candidates(goal)]) {
      const old = this.#olds.get(candidate);
      if (!old) continue;
      if (candidate === urn) return { old };
      const other = this.#continuedBy.get(candidate) ?? (seen.has(candidate) ? candidate : undefined);
      if (other) throw new Error(`${urn} names the alias ${candidate}, which ${other} is already`);
      this.#continuedBy.set(candidate, urn);
      this.#aliasOf.set(urn, candidate);
      return { old, alias: candidate };
    }
    return {};
  }

  #candidates(goal: Pick<Goal, "name" | "type" | "parent" | "aliases">): Set<string> {
    const own = goal.aliases.map((alias) => this.#collapse(goal, alias));
    const parentAlias = goal.parent === "" ? undefined : this.#aliasOf.get(goal.parent);
    if (parentAlias === undefined) return new Set(own);
    const parentName = parseUrn(goal.parent).name;
    const inherited = [{ type: goal.type, name: goal.name }, ...own.map(parseUrn)].map(({ type, name }) =>
      this.#below(parentAlias, parentName, type, name),
    );
    return new Set([...own, ...inherited]);
  }

  #collapse(goal: Pick<Goal, "name" | "type" | "parent">, alias: Alias): string {
    if ("urn" in alias) return alias.urn;
    const given = alias.parent === "" ? goal.parent : (this.#aliasOf.get(alias.parent) ?? alias.parent);
    return makeUrn(
      alias.stack || this.#stack,
      alias.project || this.#project,
      alias.noParent ? "" : given,
      alias.type || goal.type,
      alias.name || goal.name,
    );
  }

  /** The URN a child had below its parent's old URN. */
  #below(parentAlias: string, parentName: string, type: string, name: string): string {
    const parent = parseUrn(parentAlias);
    const childName = name.startsWith(parentName) ? parent.name + name.slice(parentName.length) : name;
    return urnBelow(this.#stack, this.#project, parent.qualifiedType, type, childName);
  }
}
