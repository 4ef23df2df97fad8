/**
 * The program's side of an operation: the object that stands in for the SDK's resource monitor client
 * (`pulumi.runtime.setMockOptions`), so that the unmodified program runs in this process without a socket. It
 * turns protobuf requests into goals and states into responses.
 *
 * A failed step, and everything after it, is answered with UNAVAILABLE, as the engine does: with any other code
 * the SDK spends a minute formatting its promise graph. What the embedded engine does not have is refused with a
 * sentence that says so.
 */
import grpc from "@grpc/grpc-js";
import type { Alias as AliasMessage } from "@pulumi/pulumi/proto/alias_pb.js";
import resources from "@pulumi/pulumi/proto/resource_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import structs from "google-protobuf/google/protobuf/struct_pb.js";
import type { Deployment } from "./deployment.ts";
import { EngineError, messageOf } from "./errors.ts";
import { type Alias, type Goal, parseDuration, type ReadGoal } from "./goal.ts";
import type { PropertyMap } from "./provider.ts";
import type { ResourceState } from "./resource-state.ts";
import { packageOf } from "./urn.ts";

type Callback<Response> = (error: Partial<grpc.ServiceError> | null, response?: Response) => void;
type RegisterResourceRequest = InstanceType<typeof resources.RegisterResourceRequest>;
type ReadResourceRequest = InstanceType<typeof resources.ReadResourceRequest>;
type Struct = InstanceType<typeof structs.Struct>;

const FEATURE = resources.ResourceMonitorFeature;

/** What the SDK may use. Transforms and packages are named so that the refusal is ours and says what to do. */
const FEATURES = [
  FEATURE.RESOURCE_MONITOR_FEATURE_SECRETS,
  FEATURE.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
  FEATURE.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
  FEATURE.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
  FEATURE.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
  FEATURE.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
  FEATURE.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
  FEATURE.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
  FEATURE.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
  FEATURE.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
];

/** The names a request has for the moments of hooks. */
const HOOK_LISTS = {
  BeforeCreate: "getBeforeCreateList",
  AfterCreate: "getAfterCreateList",
  BeforeUpdate: "getBeforeUpdateList",
  AfterUpdate: "getAfterUpdateList",
  BeforeDelete: "getBeforeDeleteList",
  AfterDelete: "getAfterDeleteList",
} as const;

/** What the embedded engine refuses, by the monitor's method. */
const REFUSED: Record<string, string> = {
  call: "the program calls a method of a remote component",
  registerErrorHook: "the program registers an error hook",
  registerPackage: "the program uses a parameterized package",
  registerStackTransform: "the program registers a transform",
  registerStackInvokeTransform: "the program registers an invoke transform",
};

const refuse = (what: string): EngineError =>
  new EngineError(
    "unsupported",
    `${what}, which the embedded engine does not have. Run this stack with the Pulumi CLI: mailkeep up --engine pulumi.`,
  );

const toMap = (struct: Struct | undefined): PropertyMap => (struct?.toJavaScript() ?? {}) as PropertyMap;
const toStruct = (map: PropertyMap): Struct =>
  structs.Struct.fromJavaScript(map as Parameters<typeof structs.Struct.fromJavaScript>[0]);

function toAlias(message: AliasMessage): Alias {
  const spec = message.getSpec();
  if (!spec) return { urn: message.getUrn() };
  return {
    name: spec.getName(),
    type: spec.getType(),
    stack: spec.getStack(),
    project: spec.getProject(),
    parent: spec.getParenturn(),
    noParent: spec.getNoparent(),
  };
}

function toGoal(request: RegisterResourceRequest): Goal {
  const timeouts = request.getCustomtimeouts();
  const hooks = request.getHooks();
  const inputs = toMap(request.getObject());
  const dependencies = request.getDependenciesList();
  const named = [...request.getPropertydependenciesMap().entries()].map(([key, urns]): [string, string[]] => [
    key,
    urns.getUrnsList(),
  ]);
  const decidesOrder = request.getDeletebeforereplacedefined() || request.getDeletebeforereplace();
  return {
    type: request.getType(),
    name: request.getName(),
    custom: request.getCustom(),
    parent: request.getParent(),
    inputs,
    provider: request.getProvider(),
    providers: Object.fromEntries(request.getProvidersMap().entries()),
    version: request.getVersion(),
    dependencies,
    propertyDependencies: Object.fromEntries(
      named.length > 0 ? named : Object.keys(inputs).map((key) => [key, dependencies]),
    ),
    protect: request.hasProtect() ? request.getProtect() : undefined,
    retainOnDelete: request.hasRetainondelete() ? request.getRetainondelete() : undefined,
    deleteBeforeReplace: decidesOrder ? request.getDeletebeforereplace() : undefined,
    deletedWith: request.getDeletedwith(),
    replaceWith: request.getReplaceWithList(),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    hideDiff: request.getHidediffsList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: [
      ...request.getAliasurnsList().map((urn) => ({ urn })),
      ...request.getAliasesList().map(toAlias),
    ],
    importId: request.getImportid(),
    customTimeouts: {
      create: parseDuration(timeouts?.getCreate() ?? ""),
      update: parseDuration(timeouts?.getUpdate() ?? ""),
      delete: parseDuration(timeouts?.getDelete() ?? ""),
      read: parseDuration(timeouts?.getRead() ?? ""),
    },
    replacementTrigger: request.getReplacementTrigger()?.toJavaScript(),
    hooks: Object.fromEntries(
      Object.entries(HOOK_LISTS).map(([moment, list]) => [moment, hooks?.[list]() ?? []]),
    ),
  };
}

const toReadGoal = (request: ReadResourceRequest): ReadGoal => ({
  type: request.getType(),
  name: request.getName(),
  parent: request.getParent(),
  id: request.getId(),
  properties: toMap(request.getProperties()),
  provider: request.getProvider(),
  version: request.getVersion(),
  dependencies: request.getDependenciesList(),
  additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
});

function toResponse(state: ResourceState) {
  const response = new resources.RegisterResourceResponse();
  response.setUrn(state.urn);
  response.setId(state.id ?? "");
  // A component's outputs may name resources of a later registration; the program has its own.
  response.setObject(toStruct(state.custom ? state.outputs : {}));
  return response;
}

/** Refuses what only the CLI can do, naming the resource. */
function assertOurs(type: string, name: string, remote: boolean): void {
  if (remote) throw refuse(`the component ${type} '${name}' is served by a plugin`);
  if (packageOf(type) === "pulumi" && type === "pulumi:pulumi:StackReference") {
    throw refuse(`the stack reference '${name}' reads another stack's outputs from its backend`);
  }
}

/** An object with the methods of the SDK's monitor client, and what its runner needs to know. */
export class Monitor {
  /** For `pulumi.runtime.setMockOptions`. */
  readonly client: Readonly<Record<string, (request: never, done: Callback<unknown>) => void>>;
  /** Resolves on the first failure. */
  readonly failed: Promise<void>;
  readonly #deployment: Deployment;
  readonly #running = new Set<Promise<void>>();
  #fail: () => void = () => {};

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    const methods: Record<string, (request: never) => Promise<unknown>> = {
      getDeploymentInfo: async () => {
        const info = new resources.DeploymentInfo();
        info.setSupportedfeaturesList(FEATURES);
        return info;
      },
      registerResource: (request: RegisterResourceRequest) => this.#register(request),
      readResource: (request: ReadResourceRequest) => this.#read(request),
      registerResourceOutputs: (request: InstanceType<typeof resources.RegisterResourceOutputsRequest>) =>
        this.#deployment.registerOutputs(request.getUrn(), toMap(request.getOutputs())),
      registerResourceHook: (request: InstanceType<typeof resources.RegisterResourceHookRequest>) =>
        this.#hook(request),
      invoke: (request: InstanceType<typeof resources.ResourceInvokeRequest>) => this.#invoke(request),
      signalAndWaitForShutdown: () => this.#finish(),
    };
    for (const [name, what] of Object.entries(REFUSED)) {
      methods[name] = () => Promise.reject(refuse(what));
    }
    this.client = {
      ...Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, this.#answer(method)])),
      close: () => {},
    };
  }

  /** Resolves when no request is in progress. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  /** Counts an error of the program itself. */
  programFailed(error: unknown, message: string): void {
    if (!this.#deployment.runner.failed || message !== "")
      this.#deployment.runner.report("", new Error(message, { cause: error }));
    this.#fail();
  }

  #answer(method: (request: never) => Promise<unknown>) {
    return (request: never, done: Callback<unknown>): void => {
      const work = Promise.resolve()
        .then(() => method(request))
        .then(
          (response) => done(null, response ?? new empty.Empty()),
          (error: unknown) => {
            // The program may take it, or end with it: only a step that fails stops the operation here.
            if (error instanceof InvokeError)
              return done({ code: grpc.status.UNKNOWN, details: error.message });
            const urn = error instanceof RegistrationError ? error.urn : "";
            this.#deployment.runner.report(urn, error instanceof RegistrationError ? error.cause : error);
            this.#fail();
            done({
              code: grpc.status.UNAVAILABLE,
              details: "the operation was stopped",
              message: "the operation was stopped",
            });
          },
        );
      this.#running.add(work);
      void work.finally(() => this.#running.delete(work));
    };
  }

  async #register(request: RegisterResourceRequest) {
    const where = `${request.getType()} '${request.getName()}'`;
    try {
      assertOurs(request.getType(), request.getName(), request.getRemote());
      if (request.getTransformsList().length > 0) throw refuse(`${where} has a transform`);
      if (request.getStateMigrationsList().length > 0) throw refuse(`${where} has a state migration`);
      return toResponse(await this.#deployment.register(toGoal(request)));
    } catch (error) {
      throw new RegistrationError(where, error);
    }
  }

  async #read(request: ReadResourceRequest) {
    try {
      assertOurs(request.getType(), request.getName(), false);
      const state = await this.#deployment.read(toReadGoal(request));
      const response = new resources.ReadResourceResponse();
      response.setUrn(state.urn);
      response.setProperties(toStruct(state.outputs));
      return response;
    } catch (error) {
      throw new RegistrationError(`${request.getType()} '${request.getName()}'`, error);
    }
  }

  async #hook(request: InstanceType<typeof resources.RegisterResourceHookRequest>): Promise<void> {
    this.#deployment.hooks.register({
      name: request.getName(),
      target: request.getCallback()?.getTarget() ?? "",
      token: request.getCallback()?.getToken() ?? "",
      onDryRun: request.getOnDryRun(),
      ignoreErrors: request.getIgnoreErrors(),
    });
  }

  async #invoke(request: InstanceType<typeof resources.ResourceInvokeRequest>) {
    const args = toMap(request.getArgs());
    const response = new resources.ResourceInvokeResponse();
    const token = request.getTok();
    if (token !== "pulumi:pulumi:getResource") {
      this.#deployment.registry.assertServed(packageOf(token), `the function ${token}`);
      const work = this.#deployment.invoke(token, args, request.getProvider(), request.getVersion());
      const found = await work.catch((error: unknown) => {
        throw new InvokeError(`invocation of ${token} returned an error: ${messageOf(error)}`);
      });
      response.setReturn(toStruct(found));
      return response;
    }
    const state = this.#deployment.resource(String(args.urn));
    if (!state) throw new Error(`there is no resource ${String(args.urn)} in this run`);
    response.setReturn(toStruct({ urn: state.urn, id: state.id ?? null, state: state.outputs }));
    return response;
  }

  async #finish(): Promise<void> {
    // Rejections nobody awaited come in with the next turn of the loop; nothing is deleted after one.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#deployment.finish();
  }
}

/** A function of a package failed: told to the program. */
class InvokeError extends Error {}

/** Says which registration an error belongs to. */
class RegistrationError extends Error {
  readonly urn: string;
  constructor(urn: string, cause: unknown) {
    super(urn, { cause });
    this.urn = urn;
  }
}
