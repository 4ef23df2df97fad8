/**
 * What the engine asks of a provider: pulumirpc.ResourceProvider (sdk/proto/pulumi/provider.proto) as a
 * plain-object interface, so that one provider object serves the embedded engine in process and, behind
 * a gRPC host, the Pulumi CLI.
 *
 * Property values are in *wire form*, as the SDK sends them: a secret is
 * `{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value}`, a value that is not
 * known yet is the string {@link UNKNOWN}. See `wire.ts` for reading them. A provider may give secrets in
 * wire form or plain; an output whose name is also a secret input becomes secret by itself, a new name
 * derived from a secret must be wrapped by the provider.
 *
 * A method that fails throws. The message is shown to a person as it is: it names what was wrong, where,
 * and the way out, and never contains a secret.
 */

/** A property map in wire form. */
export type PropertyMap = Record<string, unknown>;

/** The wire form of a value that is not known yet: seen by check, diff, create and update in a preview. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A property that cannot be accepted. `property` is a path such as `address` or `aliases[2]`, or "". */
export interface CheckFailure {
  property: string;
  reason: string;
}

export interface CheckResult {
  /** The inputs to store and to compare next time: what was asked, normalised and with defaults. */
  inputs: PropertyMap;
  failures: CheckFailure[];
}

export type PropertyDiffKind =
  | "add"
  | "add-replace"
  | "delete"
  | "delete-replace"
  | "update"
  | "update-replace";

export interface PropertyDiff {
  kind: PropertyDiffKind;
  /** True when old inputs were compared with new inputs; false when old outputs (drift) were. */
  inputDiff: boolean;
}

export interface DiffResult {
  /** `unknown`: the engine compares old and new inputs itself. */
  changes: "none" | "some" | "unknown";
  /** Top-level properties whose change needs a replacement. */
  replaces: string[];
  /** The old object must go before the new one can be made. */
  deleteBeforeReplace: boolean;
  /** By property path. Empty: the engine shows its own comparison of the inputs. */
  detailedDiff: Record<string, PropertyDiff>;
  /** Outputs that keep their value through an update, so they stay known in a preview. */
  stables?: string[];
}

/** How a provider may name an object whose program gives no name. */
export interface Autonaming {
  mode: "propose" | "enforce" | "disable";
  proposedName: string;
}

export interface CheckConfigRequest {
  urn: string;
  olds: PropertyMap;
  news: PropertyMap;
}

export interface DiffConfigRequest {
  urn: string;
  oldInputs: PropertyMap;
  olds: PropertyMap;
  news: PropertyMap;
}

export interface ConfigureRequest {
  urn: string;
  inputs: PropertyMap;
  id?: string;
}

export interface CheckRequest {
  urn: string;
  type: string;
  name: string;
  /** The inputs of the last checkpoint; empty for a new resource. */
  olds: PropertyMap;
  news: PropertyMap;
  /** The same bytes for the same URN and inputs within one operation. */
  randomSeed?: Uint8Array;
  autonaming?: Autonaming;
}

export interface DiffRequest {
  urn: string;
  type: string;
  name: string;
  id: string;
  oldInputs: PropertyMap;
  /** The outputs of the last checkpoint. */
  olds: PropertyMap;
  news: PropertyMap;
  ignoreChanges: string[];
}

export interface CreateRequest {
  urn: string;
  type: string;
  name: string;
  inputs: PropertyMap;
  /** Change nothing: answer with what can be known beforehand, and with the id "" where it cannot. */
  preview: boolean;
  /** 0 where the program sets no limit. */
  timeoutSeconds: number;
}

export interface CreateResult {
  id: string;
  outputs: PropertyMap;
}

export interface UpdateRequest {
  urn: string;
  type: string;
  name: string;
  id: string;
  oldInputs: PropertyMap;
  olds: PropertyMap;
  news: PropertyMap;
  preview: boolean;
  timeoutSeconds: number;
  ignoreChanges: string[];
}

export interface UpdateResult {
  outputs: PropertyMap;
}

export interface ReadRequest {
  urn: string;
  type: string;
  name: string;
  id: string;
  /** Empty for an import or a `.get`, where only the id is known. */
  inputs: PropertyMap;
  state: PropertyMap;
}

export interface ReadResult {
  /** "" when the object is gone. */
  id: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
}

export interface DeleteRequest {
  urn: string;
  type: string;
  name: string;
  id: string;
  oldInputs: PropertyMap;
  state: PropertyMap;
  timeoutSeconds: number;
}

export interface InvokeRequest {
  /** The function's token: `cloudflare:index/getZone:getZone`. */
  token: string;
  args: PropertyMap;
}

export interface ResourceProvider {
  checkConfig(request: CheckConfigRequest): Promise<CheckResult>;
  diffConfig(request: DiffConfigRequest): Promise<DiffResult>;
  /** Takes the provider's own inputs. Never dials: the first operation does. */
  configure(request: ConfigureRequest): Promise<void>;
  /** Validates and normalises. Unknowns must be let through. */
  check(request: CheckRequest): Promise<CheckResult>;
  diff(request: DiffRequest): Promise<DiffResult>;
  /** Idempotent: run again after an interruption, it adopts what its URN left half done. */
  create(request: CreateRequest): Promise<CreateResult>;
  update(request: UpdateRequest): Promise<UpdateResult>;
  read(request: ReadRequest): Promise<ReadResult>;
  /** An object that is gone already is no error. */
  delete(request: DeleteRequest): Promise<void>;
  /** Calls a function of the package (a data source). Absent where it has none. */
  invoke?(request: InvokeRequest): Promise<PropertyMap>;
  /** Ends what is running, soon and orderly. Called once, before the process ends. */
  cancel(): Promise<void>;
}

/** Makes a provider object: one for each provider resource of a stack. */
export type ProviderFactory = () => ResourceProvider;

/**
 * Thrown by create, update or read for an object that exists but is not complete
 * (ErrorResourceInitFailed): the engine writes id and outputs into the state, reports the reasons as a
 * failed step, and asks for an update next time.
 */
export class PartialFailure extends Error {
  override readonly name = "PartialFailure";
  readonly id: string;
  readonly outputs: PropertyMap;
  readonly reasons: string[];
  /** The inputs that hold so far; without them, those of the request. */
  readonly inputs: PropertyMap | undefined;

  constructor(failure: { id: string; outputs: PropertyMap; reasons: string[]; inputs?: PropertyMap }) {
    super(failure.reasons.join("; "));
    this.id = failure.id;
    this.outputs = failure.outputs;
    this.reasons = failure.reasons;
    this.inputs = failure.inputs;
  }
}
