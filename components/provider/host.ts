/**
 * The provider as a process that the Pulumi CLI starts: pulumirpc.ResourceProvider over gRPC on loopback, one provider
 * object behind it. The port is the first and only line on standard output.
 *
 * The SDK's own `provider.main` hands no configuration, no preview flag and no old inputs to a provider, so the SDK's protocol
 * stubs are served here directly. On both sides secrets and unknowns stay in wire form.
 */
import grpc from "@grpc/grpc-js";
import engineServices from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineMessages from "@pulumi/pulumi/proto/engine_pb.js";
import pluginMessages from "@pulumi/pulumi/proto/plugin_pb.js";
import providerServices from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import statusMessages from "@pulumi/pulumi/proto/status_pb.js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import {
  type CheckResult,
  type DiffResult,
  PartialFailure,
  type PropertyDiffKind,
  type PropertyMap,
  type ResourceProvider,
} from "../engine/provider.ts";
import { createProvider } from "./provider.ts";
import { packageSchema, packageVersion } from "./schema.ts";

/** A stack with many thousand resources sends large property maps; the CLI's own limit is the same. */
const MESSAGE_LIMIT = 400 << 20;

/** Something about one resource, for whoever watches the engine. */
type Say = (urn: string, message: string) => void;

export interface HostOptions {
  /** Where the engine listens; it tells again by Handshake or Attach. */
  readonly engineAddress?: string;
  readonly provider?: (warn: Say, inform: Say) => ResourceProvider;
}

export interface ServedProvider {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves one provider on a free port of 127.0.0.1. */
export async function serveProvider(options: HostOptions = {}): Promise<ServedProvider> {
  const engine = new EngineLog(options.engineAddress);
  const warn: Say = (urn, message) => engine.say(engineMessages.LogSeverity.WARNING, urn, message);
  const inform: Say = (urn, message) => engine.say(engineMessages.LogSeverity.INFO, urn, message);
  const provider = options.provider?.(warn, inform) ?? createProvider({ warn, inform });
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MESSAGE_LIMIT,
    "grpc.max_send_message_length": MESSAGE_LIMIT,
  });
  server.addService(
    providerServices.ResourceProviderService as unknown as grpc.ServiceDefinition,
    handlers(provider, engine),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    port,
    async close() {
      await provider.cancel();
      server.forceShutdown();
      engine.close();
    },
  };
}

/** What the plugin's entry does: serves, says where, and ends when it is told to. */
export async function runProviderHost(
  engineAddress: string | undefined,
  provider?: HostOptions["provider"],
): Promise<void> {
  const served = await serveProvider({ engineAddress, ...(provider && { provider }) });
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void served.close().finally(() => process.exit(0)));
  process.stdout.write(`${served.port}\n`);
}

type Handler = (request: never) => Promise<unknown>;

/** Every method of the service; those that a provider of resources does not need answer UNIMPLEMENTED by themselves. */
function handlers(provider: ResourceProvider, engine: EngineLog): grpc.UntypedServiceImplementation {
  const methods: Record<string, Handler> = {
    async handshake(request: InstanceType<typeof messages.ProviderHandshakeRequest>) {
      engine.connect(request.getEngineAddress());
      const answer = new messages.ProviderHandshakeResponse();
      answer.setAcceptSecrets(true);
      answer.setAcceptResources(false);
      answer.setAcceptOutputs(false);
      return answer;
    },
    async attach(request: InstanceType<typeof pluginMessages.PluginAttach>) {
      engine.connect(request.getAddress());
      return new empty.Empty();
    },
    async getPluginInfo() {
      const answer = new pluginMessages.PluginInfo();
      answer.setVersion(packageVersion());
      return answer;
    },
    async getSchema() {
      const answer = new messages.GetSchemaResponse();
      answer.setSchema(JSON.stringify(packageSchema()));
      return answer;
    },
    async checkConfig(request: InstanceType<typeof messages.CheckRequest>) {
      const { urn, olds, news } = checkOf(request);
      return checkResponse(await provider.checkConfig({ urn, olds, news }));
    },
    async diffConfig(request: InstanceType<typeof messages.DiffRequest>) {
      return diffResponse(
        await provider.diffConfig({
          urn: request.getUrn(),
          oldInputs: mapOf(request.getOldInputs()),
          olds: mapOf(request.getOlds()),
          news: mapOf(request.getNews()),
        }),
      );
    },
    async configure(request: InstanceType<typeof messages.ConfigureRequest>) {
      await provider.configure({
        urn: request.getUrn() ?? "",
        inputs: mapOf(request.getArgs()),
        ...(request.hasId() && { id: request.getId() }),
      });
      const answer = new messages.ConfigureResponse();
      answer.setAcceptsecrets(true);
      answer.setSupportspreview(true);
      return answer;
    },
    async check(request: InstanceType<typeof messages.CheckRequest>) {
      return checkResponse(await provider.check(checkOf(request)));
    },
    ...(provider.invoke && {
      async invoke(request: InstanceType<typeof messages.InvokeRequest>) {
        const found = await provider.invoke?.({ token: request.getTok(), args: mapOf(request.getArgs()) });
        const answer = new messages.InvokeResponse();
        answer.setReturn(structOf(found ?? {}));
        return answer;
      },
    }),
    async diff(request: InstanceType<typeof messages.DiffRequest>) {
      return diffResponse(
        await provider.diff({
          ...named(request),
          id: request.getId(),
          oldInputs: mapOf(request.getOldInputs()),
          olds: mapOf(request.getOlds()),
          news: mapOf(request.getNews()),
          ignoreChanges: request.getIgnorechangesList(),
        }),
      );
    },
    async create(request: InstanceType<typeof messages.CreateRequest>) {
      const { id, outputs } = await provider.create({
        ...named(request),
        inputs: mapOf(request.getProperties()),
        preview: request.getPreview(),
        timeoutSeconds: request.getTimeout(),
      });
      const answer = new messages.CreateResponse();
      answer.setId(id);
      answer.setProperties(structOf(outputs));
      return answer;
    },
    async update(request: InstanceType<typeof messages.UpdateRequest>) {
      const { outputs } = await provider.update({
        ...named(request),
        id: request.getId(),
        oldInputs: mapOf(request.getOldInputs()),
        olds: mapOf(request.getOlds()),
        news: mapOf(request.getNews()),
        preview: request.getPreview(),
        timeoutSeconds: request.getTimeout(),
        ignoreChanges: request.getIgnorechangesList(),
      });
      const answer = new messages.UpdateResponse();
      answer.setProperties(structOf(outputs));
      return answer;
    },
    async read(request: InstanceType<typeof messages.ReadRequest>) {
      const { id, inputs, outputs } = await provider.read({
        ...named(request),
        id: request.getId(),
        inputs: mapOf(request.getInputs()),
        state: mapOf(request.getProperties()),
      });
      const answer = new messages.ReadResponse();
      answer.setId(id);
      answer.setInputs(structOf(inputs));
      answer.setProperties(structOf(outputs));
      return answer;
    },
    async delete(request: InstanceType<typeof messages.DeleteRequest>) {
      await provider.delete({
        ...named(request),
        id: request.getId(),
        oldInputs: mapOf(request.getOldInputs()),
        state: mapOf(request.getProperties()),
        timeoutSeconds: request.getTimeout(),
      });
      return new empty.Empty();
    },
    async cancel() {
      await provider.cancel();
      return new empty.Empty();
    },
  };
  const unimplemented: Handler = async () => {
    throw Object.assign(new Error("mailkeep has resources only: no functions, no remote components"), {
      code: grpc.status.UNIMPLEMENTED,
    });
  };
  return Object.fromEntries(
    Object.keys(providerServices.ResourceProviderService).map((name) => [
      name,
      answering(methods[name] ?? unimplemented),
    ]),
  );
}

/** A handler in gRPC's form. An error's message is for a person and goes out as it is. */
function answering(handler: Handler): grpc.handleUnaryCall<unknown, unknown> {
  return (call, answer) => {
    handler(call.request as never).then(
      (response) => answer(null, response),
      (error: unknown) => answer(serviceError(error)),
    );
  };
}

/** `grpc-status-details-bin` is where gRPC's richer errors travel; the engine looks for ErrorResourceInitFailed there. */
function serviceError(error: unknown): Partial<grpc.ServiceError> {
  const details = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown }).code;
  if (!(error instanceof PartialFailure))
    return { code: typeof code === "number" ? code : grpc.status.UNKNOWN, details };
  const failure = new messages.ErrorResourceInitFailed();
  failure.setId(error.id);
  failure.setProperties(structOf(error.outputs));
  failure.setReasonsList(error.reasons);
  if (error.inputs) failure.setInputs(structOf(error.inputs));
  const packed = new any.Any();
  packed.pack(failure.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(statusBytes(details, packed)));
  return { code: grpc.status.UNKNOWN, details, metadata };
}

interface Named {
  getUrn(): string;
  getType(): string;
  getName(): string;
}

/** Older engines send the URN alone. */
function named(request: Named): { urn: string; type: string; name: string } {
  const urn = request.getUrn();
  const [, , types = "", ...name] = urn.split("::");
  return {
    urn,
    type: request.getType() || (types.split("$").at(-1) ?? ""),
    name: request.getName() || name.join("::"),
  };
}

function checkOf(request: InstanceType<typeof messages.CheckRequest>) {
  return { ...named(request), olds: mapOf(request.getOlds()), news: mapOf(request.getNews()) };
}

function checkResponse({ inputs, failures }: CheckResult) {
  const answer = new messages.CheckResponse();
  answer.setInputs(structOf(inputs));
  answer.setFailuresList(
    failures.map(({ property, reason }) => {
      const failure = new messages.CheckFailure();
      failure.setProperty(property);
      failure.setReason(reason);
      return failure;
    }),
  );
  return answer;
}

const kinds: Readonly<Record<PropertyDiffKind, number>> = {
  add: messages.PropertyDiff.Kind.ADD,
  "add-replace": messages.PropertyDiff.Kind.ADD_REPLACE,
  delete: messages.PropertyDiff.Kind.DELETE,
  "delete-replace": messages.PropertyDiff.Kind.DELETE_REPLACE,
  update: messages.PropertyDiff.Kind.UPDATE,
  "update-replace": messages.PropertyDiff.Kind.UPDATE_REPLACE,
};

const changes: Readonly<Record<DiffResult["changes"], number>> = {
  none: messages.DiffResponse.DiffChanges.DIFF_NONE,
  some: messages.DiffResponse.DiffChanges.DIFF_SOME,
  unknown: messages.DiffResponse.DiffChanges.DIFF_UNKNOWN,
};

function diffResponse(result: DiffResult) {
  const answer = new messages.DiffResponse();
  answer.setChanges(changes[result.changes] as 0 | 1 | 2);
  answer.setReplacesList(result.replaces);
  answer.setStablesList(result.stables ?? []);
  answer.setDeletebeforereplace(result.deleteBeforeReplace);
  answer.setHasdetaileddiff(true);
  answer.setDiffsList([
    ...new Set(Object.keys(result.detailedDiff).map((path) => path.replace(/[.[].*$/, ""))),
  ]);
  for (const [path, { kind, inputDiff }] of Object.entries(result.detailedDiff)) {
    const difference = new messages.PropertyDiff();
    difference.setKind(kinds[kind] as 0 | 1 | 2 | 3 | 4 | 5);
    difference.setInputdiff(inputDiff);
    answer.getDetaileddiffMap().set(path, difference);
  }
  return answer;
}

function mapOf(value: struct.Struct | undefined): PropertyMap {
  return (value?.toJavaScript() ?? {}) as PropertyMap;
}

/** A property that is undefined is absent; a Struct knows no undefined. */
function structOf(map: PropertyMap): struct.Struct {
  return struct.Struct.fromJavaScript(JSON.parse(JSON.stringify(map)));
}

/** google.rpc.Status: code 1, message 2, details 3. Its stub has no types. */
function statusBytes(message: string, detail: any.Any): Uint8Array {
  const status = new statusMessages.Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(detail);
  return status.serializeBinary();
}

/** The engine's log: where a word about one resource is shown beside it. */
class EngineLog {
  #client: engineServices.EngineClient | undefined;

  constructor(address: string | undefined) {
    if (address) this.connect(address);
  }

  connect(address: string): void {
    if (!address) return;
    this.#client?.close();
    this.#client = new engineServices.EngineClient(address, grpc.credentials.createInsecure());
  }

  say(severity: 1 | 2, urn: string, message: string): void {
    const request = new engineMessages.LogRequest();
    request.setSeverity(severity);
    request.setUrn(urn);
    request.setMessage(message);
    // What cannot be shown must not fail what it speaks of.
    this.#client?.log(request, () => {});
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}
