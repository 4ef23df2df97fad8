/**
 * Pulumi's checkpoint, version 3 (sdk/go/common/apitype/core.go): `{version, checkpoint: {stack, latest}}`, as a
 * `file://` backend keeps it in `.pulumi/stacks/<project>/<stack>.json`. Reading checks everything the CLI checks
 * (pkg/resource/deploy/snapshot.go, VerifyIntegrity) before a single value is used; writing gives what the CLI
 * reads as its own. Everything here is pure.
 */
import { createHash } from "node:crypto";
import { EngineError, messageOf } from "../errors.ts";
import type { PropertyMap } from "../provider.ts";
import { dependenciesOf, type PendingOperation, type ResourceState } from "../resource-state.ts";
import { isProviderType, parseProviderReference, parseUrn, STACK_TYPE, urnBelow } from "../urn.ts";
import type { SecretsManager } from "./passphrase.ts";

/** The version of the format, and of the engine whose behaviour the state follows. */
const FORMAT_VERSION = 3;
const ENGINE_VERSION = "v3.260.0";

/** What a checkpoint says, decrypted. */
export interface Deployment {
  resources: ResourceState[];
  pending: PendingOperation[];
  /** Carried along unchanged. */
  metadata: Record<string, unknown>;
}

/** A checkpoint whose values are still encrypted: enough to know which passphrase it needs. */
export interface SealedCheckpoint {
  stack: string;
  /** The passphrase manager's state, absent in a stack that was never deployed. */
  salt?: string;
  deployment?: Record<string, unknown>;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads the file's text. Throws `state-damaged` with the reason for anything that is not a whole checkpoint, and
 * `unsupported` for secrets managers and features that only the CLI has.
 */
export function parseCheckpoint(text: string): SealedCheckpoint {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new EngineError("state-damaged", `it is not whole JSON (${messageOf(error)})`);
  }
  if (!isMap(file) || !isMap(file.checkpoint))
    throw new EngineError("state-damaged", "it holds no checkpoint");
  if (file.version !== FORMAT_VERSION) {
    const features = Array.isArray(file.features) ? ` with ${file.features.join(", ")}` : "";
    throw new EngineError(
      "unsupported",
      `its format is version ${String(file.version)}${features}; this is read by the Pulumi CLI only`,
    );
  }
  const { stack, latest } = file.checkpoint;
  if (typeof stack !== "string") throw new EngineError("state-damaged", "it names no stack");
  if (latest === undefined || latest === null) return { stack };
  if (!isMap(latest)) throw new EngineError("state-damaged", "its deployment is not an object");
  const manager = latest.secrets_providers;
  if (manager === undefined || manager === null) return { stack, deployment: latest };
  if (!isMap(manager) || manager.type !== "passphrase" || !isMap(manager.state)) {
    const type = isMap(manager) ? String(manager.type) : "unknown";
    throw new EngineError(
      "unsupported",
      `its secrets are kept by '${type}'; the embedded engine opens passphrase secrets only`,
    );
  }
  return { stack, salt: String(manager.state.salt), deployment: latest };
}

/** Decrypts a checkpoint and checks it. Throws `state-damaged`. */
export function openCheckpoint(sealed: SealedCheckpoint, secrets: SecretsManager): Deployment {
  const latest = sealed.deployment;
  if (!latest) return { resources: [], pending: [], metadata: {} };
  const manifest = isMap(latest.manifest) ? latest.manifest : {};
  const version = String(manifest.version ?? "");
  const expected = version === "" ? "" : createHash("sha256").update(version).digest("hex");
  if (String(manifest.magic ?? "") !== expected)
    throw new EngineError("state-damaged", "its magic number does not fit its version");
  try {
    const resources = (Array.isArray(latest.resources) ? latest.resources : []).map((raw) =>
      readResource(raw, secrets),
    );
    const pending = (Array.isArray(latest.pending_operations) ? latest.pending_operations : []).map(
      (raw) => ({
        resource: readResource(isMap(raw) ? raw.resource : undefined, secrets),
        type: (raw as PendingOperation).type,
      }),
    );
    verify(resources);
    return { resources, pending, metadata: isMap(latest.metadata) ? latest.metadata : {} };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("state-damaged", messageOf(error), { cause: error });
  }
}

/** Writes a checkpoint file's text. References to URNs a resource had before are rewritten to its present one. */
export function formatCheckpoint(
  stack: string,
  deployment: Deployment,
  secrets: SecretsManager,
  now: Date,
): string {
  const resources = followAliases(deployment.resources);
  const pending = deployment.pending.map(({ resource, type }) => ({
    resource: writeResource(resource, secrets),
    type,
  }));
  const latest = {
    manifest: {
      time: now.toISOString(),
      magic: createHash("sha256").update(ENGINE_VERSION).digest("hex"),
      version: ENGINE_VERSION,
    },
    secrets_providers: { type: "passphrase", state: { salt: secrets.salt } },
    resources: resources.map((resource) => writeResource(resource, secrets)),
    ...(pending.length > 0 && { pending_operations: pending }),
    metadata: deployment.metadata,
  };
  return JSON.stringify({ version: FORMAT_VERSION, checkpoint: { stack, latest } });
}

/** How each field of a resource is read and written; a field of another kind is carried along as it is. */
const FIELDS = {
  urn: "string",
  custom: "boolean",
  delete: "boolean",
  id: "string",
  type: "string",
  inputs: "values",
  outputs: "values",
  parent: "string",
  protect: "boolean",
  taint: "boolean",
  external: "boolean",
  dependencies: "list",
  initErrors: "list",
  provider: "string",
  propertyDependencies: "lists",
  pendingReplacement: "boolean",
  additionalSecretOutputs: "list",
  customTimeouts: "object",
  importID: "string",
  retainOnDelete: "boolean",
  deletedWith: "string",
  replaceWith: "list",
  created: "string",
  modified: "string",
  ignoreChanges: "list",
  hideDiff: "list",
  replaceOnChanges: "list",
  replacementTrigger: "value",
  resourceHooks: "object",
} as const satisfies Partial<Record<keyof ResourceState, string>>;

const isList = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

const FITS: Record<(typeof FIELDS)[keyof typeof FIELDS], (value: unknown) => boolean> = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  list: isList,
  lists: (value) => isMap(value) && Object.values(value).every((item) => item === null || isList(item)),
  object: isMap,
  values: isMap,
  value: () => true,
};

function readResource(raw: unknown, secrets: SecretsManager): ResourceState {
  if (!isMap(raw)) throw new EngineError("state-damaged", "a resource is not an object");
  const state: Record<string, unknown> = { inputs: {}, outputs: {}, custom: false };
  const extra: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const kind = FIELDS[key as keyof typeof FIELDS];
    if (kind === undefined) {
      if (key !== "aliases") extra[key] = value;
    } else if (value !== null) {
      if (!FITS[kind](value))
        throw new EngineError("state-damaged", `'${key}' of ${String(raw.urn)} has the wrong form`);
      state[key] = kind === "values" || kind === "value" ? secrets.unseal(value) : value;
    }
  }
  const lists = state.propertyDependencies as Record<string, string[] | null> | undefined;
  if (lists)
    state.propertyDependencies = Object.fromEntries(
      Object.entries(lists).map(([key, list]) => [key, list ?? []]),
    );
  if (Object.keys(extra).length > 0) state.extra = extra;
  return state as unknown as ResourceState;
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === false ||
  value === "" ||
  (typeof value === "object" && value !== null && Object.keys(value).length === 0);

function writeResource(state: ResourceState, secrets: SecretsManager): Record<string, unknown> {
  const raw: Record<string, unknown> = { ...state.extra };
  for (const [key, kind] of Object.entries(FIELDS)) {
    const value = state[key as keyof ResourceState];
    if (key !== "custom" && isEmpty(value)) continue;
    raw[key] = kind === "values" || kind === "value" ? secrets.seal(value as PropertyMap) : value;
  }
  return raw;
}

/**
 * The list with every reference to an old URN replaced by the one its resource has now, also where a child still
 * waits for its own registration below a renamed parent (NormalizeURNReferences).
 */
function followAliases(resources: readonly ResourceState[]): ResourceState[] {
  const renamed = new Map<string, string>();
  for (const { urn, aliases, parent } of resources) {
    for (const alias of aliases ?? []) renamed.set(alias, urn);
    const newParent = parent === undefined ? undefined : renamed.get(parent);
    if (newParent === undefined) continue;
    const parentType = parseUrn(newParent).qualifiedType;
    const own = parseUrn(urn);
    if (parentType !== STACK_TYPE)
      renamed.set(urn, urnBelow(own.stack, own.project, parentType, own.type, own.name));
  }
  if (renamed.size === 0) return [...resources];
  const now = (urn: string) => renamed.get(urn) ?? urn;
  return resources.map((state) => ({
    ...state,
    urn: now(state.urn),
    ...(state.parent && { parent: now(state.parent) }),
    ...(state.provider && { provider: followProvider(state.provider, now) }),
    ...(state.dependencies && { dependencies: state.dependencies.map(now) }),
    ...(state.propertyDependencies && {
      propertyDependencies: Object.fromEntries(
        Object.entries(state.propertyDependencies).map(([key, urns]) => [key, urns.map(now)]),
      ),
    }),
    ...(state.deletedWith && { deletedWith: now(state.deletedWith) }),
    ...(state.replaceWith && { replaceWith: state.replaceWith.map(now) }),
    aliases: undefined,
  }));
}

function followProvider(reference: string, now: (urn: string) => string): string {
  const { urn, id } = parseProviderReference(reference);
  return `${now(urn)}::${id}`;
}

/** Checks what every reader of a state relies on: each resource follows what it stands on, and no URN stands twice. */
export function verify(resources: readonly ResourceState[]): void {
  const seen = new Map<string, ResourceState[]>();
  const providers = new Set<string>();
  const fail = (what: string): never => {
    throw new EngineError("state-damaged", what);
  };
  resources.forEach((state, index) => {
    if (!state.urn) fail(`resource ${index + 1} has no URN`);
    const { urn } = state;
    if (!state.type) fail(`${urn} has no type`);
    if (!state.custom && state.id) fail(`${urn} is a component and has an id`);
    if (isProviderType(state.type)) providers.add(`${urn}::${state.id ?? ""}`);
    if (state.provider && !providers.has(state.provider) && !state.pendingReplacement) {
      fail(`${urn} refers to the provider ${state.provider}, which does not stand before it`);
    }
    for (const needed of [...(state.parent ? [state.parent] : []), ...dependenciesOf(state)]) {
      if (!seen.has(needed)) fail(`${urn} depends on ${needed}, which does not stand before it`);
    }
    seen.set(urn, [...(seen.get(urn) ?? []), state]);
  });
  for (const [urn, states] of seen) {
    if (states.filter((state) => !state.delete).length > 1) fail(`${urn} stands twice`);
  }
}
