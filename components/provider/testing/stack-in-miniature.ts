/** The calls an engine makes for one resource, in its order: enough of an engine to test a provider by. */
import type { DiffResult, PropertyMap, ResourceProvider } from "../../engine/provider.ts";

export interface State {
  urn: string;
  type: string;
  id: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
}

export const urnOf = (type: string, name: string) => `urn:pulumi:dev::mailkeep::${type}::${name}`;

/** Thrown for inputs that check refuses; `reasons` are "property: reason". */
export class Refused extends Error {
  readonly reasons: string[];
  constructor(reasons: string[]) {
    super(reasons.join("\n"));
    this.reasons = reasons;
  }
}

export class Miniature {
  readonly provider: ResourceProvider;

  constructor(provider: ResourceProvider) {
    this.provider = provider;
  }

  async check(kind: string, name: string, news: PropertyMap, olds: PropertyMap = {}): Promise<PropertyMap> {
    const type = `mailkeep:index:${kind}`;
    const { inputs, failures } = await this.provider.check({
      urn: urnOf(type, name),
      type,
      name,
      olds,
      news,
    });
    if (failures.length > 0)
      throw new Refused(failures.map(({ property, reason }) => `${property}: ${reason}`));
    return inputs;
  }

  async create(kind: string, name: string, news: PropertyMap): Promise<State> {
    const type = `mailkeep:index:${kind}`;
    const urn = urnOf(type, name);
    const inputs = await this.check(kind, name, news);
    const { id, outputs } = await this.provider.create({
      urn,
      type,
      name,
      inputs,
      preview: false,
      timeoutSeconds: 0,
    });
    return { urn, type, id, inputs, outputs };
  }

  async diff(
    state: State,
    news: PropertyMap,
    urn = state.urn,
  ): Promise<DiffResult & { inputs: PropertyMap }> {
    const name = urn.split("::").at(-1) ?? "";
    const inputs = await this.check(state.type.split(":")[2] ?? "", name, news, state.inputs);
    const diff = await this.provider.diff({
      ...state,
      urn,
      name,
      oldInputs: state.inputs,
      olds: state.outputs,
      news: inputs,
      ignoreChanges: [],
    });
    return { ...diff, inputs };
  }

  async update(state: State, news: PropertyMap, urn = state.urn, preview = false): Promise<State> {
    const name = urn.split("::").at(-1) ?? "";
    const inputs = await this.check(state.type.split(":")[2] ?? "", name, news, state.inputs);
    const { outputs } = await this.provider.update({
      ...state,
      urn,
      name,
      oldInputs: state.inputs,
      olds: state.outputs,
      news: inputs,
      preview,
      timeoutSeconds: 0,
      ignoreChanges: [],
    });
    return { ...state, urn, inputs, outputs };
  }

  async refresh(state: State): Promise<State | undefined> {
    const name = state.urn.split("::").at(-1) ?? "";
    const found = await this.provider.read({ ...state, name, state: state.outputs });
    return found.id === "" ? undefined : { ...state, ...found };
  }

  async delete(state: State): Promise<void> {
    const name = state.urn.split("::").at(-1) ?? "";
    await this.provider.delete({
      ...state,
      name,
      oldInputs: state.inputs,
      state: state.outputs,
      timeoutSeconds: 0,
    });
  }
}
