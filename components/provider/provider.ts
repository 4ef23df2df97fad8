/**
 * The mailkeep provider: one mail host, and everything declared on it.
 *
 * It is a plain object of the engine's provider interface. The embedded engine calls it in process; `host.ts` serves the same
 * object to the Pulumi CLI. What differs from type to type stands in `resources/`, one file each, gathered in `table.ts`;
 * here is what all of them share: a password never stands in an output, an unknown value never replaces anything, each
 * object carries the URN that owns it, and an object that another resource has taken over is left alone.
 *
 * Configuring never dials. The first operation does, and tries again until its own deadline.
 */
import { setTimeout as wait } from "node:timers/promises";
import {
  type CheckResult,
  type DiffResult,
  type PropertyDiff,
  type PropertyMap,
  type ResourceProvider,
  UNKNOWN,
} from "../engine/provider.ts";
import { containsUnknown, isSecret, plain, plainMap, secret } from "../engine/wire.ts";
import { connect, type Host, hostConnectionSchema, type Limit } from "../host/connection.ts";
import { HostError } from "../host/host-error.ts";
import { differences } from "./difference.ts";
import { actionInputs, checkInputs, outputsOf } from "./inputs.ts";
import type { Action, AnyResourceType } from "./resource-type.ts";
import { resourceTypeOf } from "./table.ts";
import { misfits } from "./validation.ts";

/** How long an operation may take where the program sets no customTimeout. */
const DEFAULT_TIMEOUT_SECONDS = 60;
const DIAL_PAUSE_MS = 250;

/** What the provider may use besides the host it is configured with. */
export interface ProviderOptions {
  /** Told what deserves a person's eye and fails nothing. */
  readonly warn?: (urn: string, message: string) => void;
  /** Told how far something is that takes a while. */
  readonly inform?: (urn: string, message: string) => void;
  /** Makes the connection; the real one when absent. */
  readonly connect?: typeof connect;
}

/** A provider for one host: the engine's factory for the package `mailkeep`. */
export function createProvider(options: ProviderOptions = {}): ResourceProvider {
  return new MailkeepProvider(options);
}

class MailkeepProvider implements ResourceProvider {
  readonly #options: ProviderOptions;
  readonly #cancelled = new AbortController();
  #host: Host | undefined;
  #empty: Promise<boolean> | undefined;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  async checkConfig({ news }: { news: PropertyMap }): Promise<CheckResult> {
    const { connection, engines } = splitConfiguration(news);
    if (containsUnknown(connection)) return { inputs: news, failures: [] };
    if (connection.type === undefined)
      return { inputs: news, failures: [{ property: "type", reason: noHost }] };
    const result = hostConnectionSchema.safeParse(plainMap(connection));
    if (result.success) return { inputs: { ...connection, ...engines }, failures: [] };
    const failures = misfits(result.error, hostConnectionSchema).map(({ path, reason }) => ({
      property: path,
      reason,
    }));
    return { inputs: news, failures };
  }

  /**
   * A host that is reached in another way is still the same host with the same mail, so nothing is replaced; which machine it
   * is, its data directories know (`MailDirectories.machineId`).
   */
  async diffConfig({ oldInputs, news }: { oldInputs: PropertyMap; news: PropertyMap }): Promise<DiffResult> {
    const detailedDiff = differences(
      splitConfiguration(oldInputs).connection,
      splitConfiguration(news).connection,
    );
    return diffResult(detailedDiff);
  }

  async configure({ inputs }: { inputs: PropertyMap }): Promise<void> {
    const { connection } = splitConfiguration(inputs);
    if (containsUnknown(connection)) return;
    const result = hostConnectionSchema.safeParse(plainMap(connection));
    if (!result.success) {
      const [first] = misfits(result.error, hostConnectionSchema);
      throw new Error(`The provider's ${first?.path || "connection"} ${first?.reason ?? "is not right"}.`);
    }
    this.#host = (this.#options.connect ?? connect)(result.data);
  }

  async check({ type: token, news }: { type: string; news: PropertyMap }): Promise<CheckResult> {
    const type = resourceTypeOf(token);
    const { inputs, failures } = checkInputs(type, news);
    if (failures.length > 0 || !type.fill) return { inputs, failures };
    const filled: PropertyMap = {};
    // A host whose address is still to come decides later.
    for (const [property, fill] of Object.entries(type.fill))
      filled[property] = this.#host && fill ? await fill(this.#host) : UNKNOWN;
    return { inputs: { ...filled, ...inputs }, failures };
  }

  async diff(request: {
    urn: string;
    type: string;
    oldInputs: PropertyMap;
    olds: PropertyMap;
    news: PropertyMap;
    ignoreChanges: string[];
  }): Promise<DiffResult> {
    const type = resourceTypeOf(request.type);
    const detailedDiff = differences(
      request.oldInputs,
      request.news,
      replacing(type, request.oldInputs, request.news),
    );
    for (const path of Object.keys(detailedDiff))
      if (request.ignoreChanges.some((ignored) => isWithin(path, ignored))) delete detailedDiff[path];
    const reality: Record<string, PropertyDiff> = {};
    // The resource has another URN than the one that made the object: it has to be written there anew.
    if (request.olds.owner !== undefined && request.olds.owner !== request.urn)
      reality.owner = { kind: "update", inputDiff: false };
    // The data directory is another one, or was deleted: everything has to be made again.
    const empty = !type.outside && (await this.#hostIsEmpty());
    if (empty)
      this.#warn(request.urn, "nothing of it is on the host any more: is its data directory the right one?");
    if (empty) reality.owner = { kind: "add", inputDiff: false };
    else if (Object.keys(detailedDiff).length === 0 && type.drift)
      Object.assign(reality, await this.#drift(type, request));
    const stables = Object.keys(type.facts.shape).filter((fact) => !empty && reality[fact] === undefined);
    return { ...diffResult({ ...reality, ...detailedDiff }), stables };
  }

  async create(request: {
    urn: string;
    type: string;
    inputs: PropertyMap;
    preview: boolean;
    timeoutSeconds: number;
  }): Promise<{ id: string; outputs: PropertyMap }> {
    const type = resourceTypeOf(request.type);
    const { inputs } = request;
    const id = knownId(type, inputs) ?? "";
    if (request.preview) {
      const facts = Object.fromEntries(Object.keys(type.facts.shape).map((key) => [key, UNKNOWN]));
      return { id, outputs: outputsOf(type, inputs, facts, request.urn) };
    }
    const facts = await this.#act(request, (action) => type.put(action, actionInputs(inputs), undefined));
    return { id, outputs: outputsOf(type, inputs, facts, request.urn) };
  }

  async update(request: {
    urn: string;
    type: string;
    oldInputs: PropertyMap;
    olds: PropertyMap;
    news: PropertyMap;
    preview: boolean;
    timeoutSeconds: number;
  }): Promise<{ outputs: PropertyMap }> {
    const type = resourceTypeOf(request.type);
    const facts = request.preview
      ? await this.#factsBefore(type, request)
      : await this.#act(request, (action) =>
          type.put(action, actionInputs(request.news), actionInputs(request.oldInputs)),
        );
    return { outputs: outputsOf(type, request.news, facts, request.urn) };
  }

  async read(request: {
    urn: string;
    type: string;
    id: string;
    inputs: PropertyMap;
    state: PropertyMap;
  }): Promise<{ id: string; inputs: PropertyMap; outputs: PropertyMap }> {
    const type = resourceTypeOf(request.type);
    const known = Object.keys(request.inputs).length > 0 || Object.keys(request.state).length > 0;
    const found = await this.#act({ urn: request.urn, timeoutSeconds: 0 }, async (action) => {
      if (!type.outside && !(await action.host.hasDirectories(action.limit))) return undefined;
      const [inputs, facts] = known ? [actionInputs(request.inputs), plainMap(request.state)] : [];
      return type.read(action, request.id, inputs, facts);
    });
    if (!found) return { id: "", inputs: {}, outputs: {} };
    const { inputs } = checkInputs(type, { ...found.inputs });
    return { id: request.id, inputs, outputs: outputsOf(type, inputs, found.facts, found.owner) };
  }

  async delete(request: {
    urn: string;
    type: string;
    oldInputs: PropertyMap;
    state: PropertyMap;
    timeoutSeconds: number;
  }): Promise<void> {
    const type = resourceTypeOf(request.type);
    const owner = typeof request.state.owner === "string" ? request.state.owner : request.urn;
    await this.#act({ ...request, urn: owner }, async (action) => {
      if (!type.outside && !(await action.host.hasDirectories(action.limit))) return;
      await type.remove(action, actionInputs(request.oldInputs));
    });
  }

  async cancel(): Promise<void> {
    this.#cancelled.abort();
    await this.#host?.close();
  }

  /** The facts of an object that a preview speaks of: as the state has them, or as they are where they move by themselves. */
  async #factsBefore(
    type: AnyResourceType,
    { urn, oldInputs, olds }: { urn: string; oldInputs: PropertyMap; olds: PropertyMap },
  ): Promise<PropertyMap> {
    if (!type.outside && (await this.#hostIsEmpty())) return factsOf(type, {});
    if (type.moving !== true || !this.#host) return factsOf(type, olds);
    const limit = { deadline: Date.now() + this.#host.patienceMs, signal: this.#cancelled.signal };
    const action = { host: this.#host, limit, owner: urn, tell: this.#teller(urn) };
    const inputs = actionInputs(oldInputs);
    const facts = actionInputs(factsOf(type, olds));
    const found = await type.read(action, type.id(inputs), inputs, facts).catch(() => undefined);
    return found === undefined ? factsOf(type, {}) : factsOf(type, found.facts as PropertyMap);
  }

  /** Whether nothing is there of what the state may say; asked once, before the first directory is made. */
  #hostIsEmpty(): Promise<boolean> {
    if (!this.#host) return Promise.resolve(false);
    const limit = { deadline: Date.now() + this.#host.patienceMs, signal: this.#cancelled.signal };
    this.#empty ??= this.#host.hasDirectories(limit).then(
      (present) => !present,
      (error: unknown) => {
        // A host that proves to be another one, or lets nobody in, ends it here.
        if (error instanceof HostError && error.code !== "unreachable") throw error;
        // A host that cannot be asked is no empty one.
        return false;
      },
    );
    return this.#empty;
  }

  #connected(): Host {
    if (this.#host) return this.#host;
    throw new Error("The mailkeep provider is not configured: it has to be told which host it is for.");
  }

  async #drift(
    type: AnyResourceType,
    { urn, oldInputs, olds }: { urn: string; oldInputs: PropertyMap; olds: PropertyMap },
  ): Promise<Record<string, PropertyDiff>> {
    if (!this.#host) return {};
    const limit = { deadline: Date.now() + this.#host.patienceMs, signal: this.#cancelled.signal };
    const answer = await type.drift?.(
      { host: this.#host, limit, owner: urn, tell: this.#teller(urn) },
      actionInputs(oldInputs),
      actionInputs(factsOf(type, olds)),
    );
    if (!answer) return {};
    if ("warning" in answer) {
      this.#warn(urn, answer.warning);
      return {};
    }
    for (const { reason } of answer.drift) this.#warn(urn, reason);
    return Object.fromEntries(
      answer.drift.map(({ property }) => [property, { kind: "add", inputDiff: false } as const]),
    );
  }

  #warn(urn: string, message: string): void {
    this.#options.warn?.(urn, message);
  }

  #teller(urn: string): (message: string) => void {
    return (message) => this.#options.inform?.(urn, message);
  }

  /** Runs an action; a host that cannot be reached is tried again until the operation's deadline. */
  async #act<T>(
    { urn, timeoutSeconds }: { urn: string; timeoutSeconds: number },
    run: (action: Action) => Promise<T>,
  ): Promise<T> {
    const host = this.#connected();
    const limit: Limit = {
      deadline: Date.now() + (timeoutSeconds || DEFAULT_TIMEOUT_SECONDS) * 1000,
      signal: this.#cancelled.signal,
    };
    for (;;) {
      try {
        return await run({ host, limit, owner: urn, tell: this.#teller(urn) });
      } catch (error) {
        const again =
          error instanceof HostError &&
          error.code === "unreachable" &&
          Date.now() + DIAL_PAUSE_MS < limit.deadline &&
          !this.#cancelled.signal.aborted;
        if (!again) throw error;
        await wait(DIAL_PAUSE_MS);
      }
    }
  }
}

const noHost =
  "is missing: resources of mailkeep belong to a host, so give them an explicit provider (new Provider(name, { type: ... }))";

/** Parts of a provider's inputs that belong to the engine. */
const enginesOwn = new Set(["version", "pluginDownloadURL", "__internal", "__defaults"]);

function splitConfiguration(inputs: PropertyMap): { connection: PropertyMap; engines: PropertyMap } {
  const entries = Object.entries(inputs).map(([key, value]) => [key, structured(key, value)] as const);
  return {
    connection: Object.fromEntries(entries.filter(([key]) => !enginesOwn.has(key))),
    engines: Object.fromEntries(entries.filter(([key]) => enginesOwn.has(key))),
  };
}

/** SDKs that were generated send a provider's maps and numbers as JSON texts, secret or not. */
function structured(key: string, value: unknown): unknown {
  if (isSecret(value)) return secret(structured(key, plain(value)));
  if (typeof value !== "string" || !(key === "port" ? /^\d{1,5}$/ : /^\{.*\}$/s).test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Undefined while a property that the id is made of is not known yet. */
function knownId(type: AnyResourceType, inputs: PropertyMap): string | undefined {
  if (type.identity.some((key) => containsUnknown(inputs[key]))) return undefined;
  return type.id(actionInputs(inputs));
}

/**
 * The properties whose change asks for a replacement: those of the id, when another id is certain. Under one id nothing is
 * replaced: the new object would be deleted as the old one.
 */
function replacing(type: AnyResourceType, before: PropertyMap, after: PropertyMap): readonly string[] {
  const [old, wanted] = [knownId(type, before), knownId(type, after)];
  return old !== undefined && wanted !== undefined && old !== wanted ? type.identity : [];
}

/** Whether a property path is the other one or lies below it. */
function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}.`) || path.startsWith(`${above}[`);
}

function factsOf(type: AnyResourceType, outputs: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.keys(type.facts.shape).map((key) => [key, outputs[key] ?? UNKNOWN]));
}

function diffResult(detailedDiff: Record<string, PropertyDiff>): DiffResult {
  const replaces = Object.entries(detailedDiff)
    .filter(([, { kind }]) => kind.endsWith("-replace"))
    .map(([path]) => path.replace(/[.[].*$/, ""));
  return {
    changes: Object.keys(detailedDiff).length > 0 ? "some" : "none",
    replaces: [...new Set(replaces)],
    deleteBeforeReplace: false,
    detailedDiff,
  };
}
