/**
 * Resource hooks: functions of the program that run before or after a step. The program serves them over the
 * SDK's callback service on a loopback port, the one socket of an embedded run; a failing "before" hook stops
 * its step, a failing "after" hook fails the operation but the step's result is kept.
 */
import "./lazy/sdk.ts";

import grpc from "@grpc/grpc-js";
import callbackServices from "@pulumi/pulumi/proto/callback_grpc_pb.js";
import callbacks from "@pulumi/pulumi/proto/callback_pb.js";
import resources from "@pulumi/pulumi/proto/resource_pb.js";
import structs from "google-protobuf/google/protobuf/struct_pb.js";
import type { EmitEvent } from "./events.ts";
import type { PropertyMap } from "./provider.ts";
import type { ResourceState } from "./resource-state.ts";
import { nameOf } from "./urn.ts";

/** The moments a hook can be bound to. */
export type HookMoment =
  | "BeforeCreate"
  | "AfterCreate"
  | "BeforeUpdate"
  | "AfterUpdate"
  | "BeforeDelete"
  | "AfterDelete";

/** A hook as the program registered it. */
export interface RegisteredHook {
  name: string;
  target: string;
  token: string;
  onDryRun: boolean;
  /** A failure is a warning only. */
  ignoreErrors: boolean;
}

/** What a hook is told about its resource. */
export interface HookContext {
  urn: string;
  type: string;
  id: string;
  newInputs?: PropertyMap;
  oldInputs?: PropertyMap;
  newOutputs?: PropertyMap;
  oldOutputs?: PropertyMap;
}

type JavaScriptMap = Parameters<typeof structs.Struct.fromJavaScript>[0];

const toStruct = (map: PropertyMap | undefined) =>
  map === undefined ? undefined : structs.Struct.fromJavaScript(map as JavaScriptMap);

export class HookTable {
  readonly #preview: boolean;
  readonly #emit: EmitEvent;
  readonly #hooks = new Map<string, RegisteredHook>();
  readonly #clients = new Map<string, InstanceType<typeof callbackServices.CallbacksClient>>();

  constructor(preview: boolean, emit: EmitEvent) {
    this.#preview = preview;
    this.#emit = emit;
  }

  register(hook: RegisteredHook): void {
    this.#hooks.set(hook.name, hook);
  }

  /** Runs what is bound to a moment, one after the other. Throws what the first failing hook says. */
  async run(moment: HookMoment, state: ResourceState, context: HookContext): Promise<void> {
    for (const name of state.resourceHooks?.[moment] ?? []) {
      const hook = this.#hooks.get(name);
      if (!hook) {
        throw new Error(
          `${context.urn}: its ${moment} hook '${name}' is part of the program, which is not running. ` +
            "Remove the resource from the program and run 'mailkeep up' instead.",
        );
      }
      if (this.#preview && !hook.onDryRun) continue;
      const failure = await this.#call(hook, context);
      if (failure === "") continue;
      const message = `${moment} hook '${name}': ${failure}`;
      if (!hook.ignoreErrors) throw new Error(message);
      this.#emit({ kind: "diagnostic", severity: "warning", urn: context.urn, message });
    }
  }

  /** What the hook complains about, or "". */
  async #call(hook: RegisteredHook, context: HookContext): Promise<string> {
    const request = new resources.ResourceHookRequest();
    request.setUrn(context.urn);
    request.setId(context.id);
    request.setName(nameOf(context.urn));
    request.setType(context.type);
    request.setNewInputs(toStruct(context.newInputs));
    request.setOldInputs(toStruct(context.oldInputs));
    request.setNewOutputs(toStruct(context.newOutputs));
    request.setOldOutputs(toStruct(context.oldOutputs));
    const invoke = new callbacks.CallbackInvokeRequest();
    invoke.setToken(hook.token);
    invoke.setRequest(request.serializeBinary());
    const bytes = await new Promise<Uint8Array>((resolve, reject) => {
      this.#client(hook.target).invoke(invoke, (error, response) =>
        error ? reject(error) : resolve(response.getResponse_asU8()),
      );
    });
    return resources.ResourceHookResponse.deserializeBinary(bytes).getError();
  }

  #client(target: string) {
    const known = this.#clients.get(target);
    if (known) return known;
    const client = new callbackServices.CallbacksClient(target, grpc.credentials.createInsecure());
    this.#clients.set(target, client);
    return client;
  }

  /** Closes the connections to the program. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
