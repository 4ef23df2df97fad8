/**
 * The providers of one operation: one object for each provider resource, made by the package's factory, checked
 * and configured with the resource's own inputs (pkg/resource/deploy/providers/registry.go). A provider whose
 * configuration is not known yet, as in the preview that creates its host, is not configured and not asked:
 * inputs are echoed and every difference counts (sdk/go/common/resource/plugin/provider_plugin.go).
 */
import { randomUUID } from "node:crypto";
import { EngineError } from "./errors.ts";
import {
  type CheckRequest,
  type CheckResult,
  type CreateRequest,
  type CreateResult,
  type DiffRequest,
  type DiffResult,
  type InvokeRequest,
  type PropertyMap,
  type ProviderFactory,
  type ResourceProvider,
  UNKNOWN,
  type UpdateRequest,
  type UpdateResult,
} from "./provider.ts";
import type { ResourceState } from "./resource-state.ts";
import { formatProviderReference, packageOf, parseProviderReference } from "./urn.ts";
import { containsUnknown, equal } from "./wire.ts";

/** Reserved by the engine in a provider's inputs; never shown to the provider. */
const INTERNAL_KEY = "__internal";

const configOf = ({ [INTERNAL_KEY]: _, ...config }: PropertyMap): PropertyMap => config;

/** A provider that resources can use. */
export class ConfiguredProvider {
  readonly #provider: ResourceProvider;
  readonly #known: boolean;

  constructor(provider: ResourceProvider, known: boolean) {
    this.#provider = provider;
    this.#known = known;
  }

  async check(request: CheckRequest): Promise<CheckResult> {
    return this.#known ? this.#provider.check(request) : { inputs: request.news, failures: [] };
  }

  async diff(request: DiffRequest): Promise<DiffResult> {
    if (this.#known) return this.#provider.diff(request);
    return { changes: "some", replaces: [], deleteBeforeReplace: false, detailedDiff: {} };
  }

  async create(request: CreateRequest): Promise<CreateResult> {
    return this.#known ? this.#provider.create(request) : { id: "", outputs: request.inputs };
  }

  async update(request: UpdateRequest): Promise<UpdateResult> {
    return this.#known ? this.#provider.update(request) : { outputs: request.news };
  }

  /** A function of a provider that cannot be asked yet gives nothing, and the program takes that for unknown. */
  async invoke(request: InvokeRequest): Promise<PropertyMap> {
    if (!this.#known) return {};
    if (this.#provider.invoke) return this.#provider.invoke(request);
    throw new Error(`the package has no function ${request.token}`);
  }

  /** For what only a configured provider can be asked. Throws in the preview that cannot configure it yet. */
  get whole(): ResourceProvider {
    if (!this.#known) throw new Error("the provider's configuration is not known in this preview");
    return this.#provider;
  }

  diffConfig(request: { urn: string; oldInputs: PropertyMap; olds: PropertyMap; news: PropertyMap }) {
    return this.#provider.diffConfig(request);
  }
}

export class ProviderRegistry {
  readonly #factories: Readonly<Record<string, ProviderFactory>>;
  readonly #preview: boolean;
  readonly #checked = new Map<string, ResourceProvider>();
  readonly #configured = new Map<string, Promise<ConfiguredProvider>>();
  readonly #all = new Set<ResourceProvider>();

  constructor(factories: Readonly<Record<string, ProviderFactory>>, preview: boolean) {
    this.#factories = factories;
    this.#preview = preview;
  }

  /** Throws `unsupported`, naming the resource, for a package that only a plugin serves. */
  assertServed(packageName: string, forWhat: string): void {
    if (!Object.hasOwn(this.#factories, packageName)) {
      throw new EngineError(
        "unsupported",
        `${forWhat} needs the '${packageName}' plugin, and the embedded engine runs no plugins. ` +
          "Install the Pulumi CLI (www.pulumi.com/docs/install) and run this stack with it: mailkeep up --engine pulumi.",
      );
    }
  }

  #make(type: string, forWhat: string): ResourceProvider {
    const packageName = packageOf(type);
    this.assertServed(packageName, forWhat);
    const provider = this.#factories[packageName]!();
    this.#all.add(provider);
    return provider;
  }

  /** Checks a provider resource's inputs, and keeps the provider for {@link diff} and {@link configure}. */
  async check(urn: string, type: string, olds: PropertyMap, news: PropertyMap): Promise<CheckResult> {
    const provider = this.#make(type, urn);
    const result = await provider.checkConfig({ urn, olds: configOf(olds), news: configOf(news) });
    this.#checked.set(urn, provider);
    const internal = INTERNAL_KEY in news ? { [INTERNAL_KEY]: news[INTERNAL_KEY] } : {};
    const version = "version" in news ? { version: news.version } : {};
    return { ...result, inputs: { ...version, ...result.inputs, ...internal } };
  }

  /** Compares a provider resource's inputs with its old state. */
  async diff(urn: string, old: ResourceState, news: PropertyMap): Promise<DiffResult> {
    const provider = this.#checked.get(urn) ?? this.#make(old.type, urn);
    const request = { urn, oldInputs: configOf(old.inputs), olds: old.outputs, news: configOf(news) };
    const result = await provider.diffConfig(request);
    if (result.changes !== "unknown") return result;
    return { ...result, changes: equal(old.outputs, request.news) ? "none" : "some" };
  }

  /** Configures a provider resource and gives what resources refer to. `id` is that of the old one, if it stays. */
  async configure(urn: string, type: string, id: string | undefined, inputs: PropertyMap): Promise<string> {
    const provider = this.#checked.get(urn) ?? this.#make(type, urn);
    this.#checked.delete(urn);
    const given = id ?? (this.#preview ? UNKNOWN : randomUUID());
    await this.#start(provider, urn, given, inputs);
    return given;
  }

  #start(
    provider: ResourceProvider,
    urn: string,
    id: string,
    inputs: PropertyMap,
  ): Promise<ConfiguredProvider> {
    const config = configOf(inputs);
    const known = !containsUnknown(config);
    const started = (known ? provider.configure({ urn, id, inputs: config }) : Promise.resolve()).then(
      () => new ConfiguredProvider(provider, known),
    );
    this.#configured.set(formatProviderReference({ urn, id }), started);
    return started;
  }

  /** The provider behind a reference: the one registered in this operation, or else the one of the old state. */
  async get(reference: string, forWhat: string, olds: Iterable<ResourceState>): Promise<ConfiguredProvider> {
    const ready = this.#configured.get(reference);
    if (ready) return ready;
    const { urn, id } = parseProviderReference(reference);
    for (const old of olds) {
      if (old.urn !== urn || old.id !== id) continue;
      return this.#start(this.#make(old.type, forWhat), urn, id, old.inputs);
    }
    throw new Error(`${forWhat}: its provider ${reference} is not registered`);
  }

  /** Tells every provider that the process is about to end. */
  async cancel(): Promise<void> {
    await Promise.allSettled([...this.#all].map((provider) => provider.cancel()));
  }
}
