import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import providerServices from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { PartialFailure, UNKNOWN } from "../engine/provider.ts";
import { secret } from "../engine/wire.ts";
import { type ServedProvider, serveProvider } from "./host.ts";
import { createProvider } from "./provider.ts";
import { MemoryHost } from "./testing/memory-host.ts";
import { urnOf } from "./testing/stack-in-miniature.ts";

const host = new MemoryHost();
host.prepared = true;
let served: ServedProvider;
let client: InstanceType<typeof providerServices.ResourceProviderClient>;

before(async () => {
  served = await serveProvider({ provider: (warn) => createProvider({ warn, connect: () => host }) });
  client = new providerServices.ResourceProviderClient(
    `127.0.0.1:${served.port}`,
    grpc.credentials.createInsecure(),
  );
});
after(async () => {
  client.close();
  await served.close();
});

type Method =
  | "handshake"
  | "configure"
  | "checkConfig"
  | "diffConfig"
  | "check"
  | "diff"
  | "create"
  | "read"
  | "update"
  | "delete"
  | "invoke"
  | "getSchema"
  | "getPluginInfo";

function call<Answer>(method: Method, request: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = client[method].bind(client) as unknown as (
      request: object,
      done: (error: grpc.ServiceError | null, answer: Answer) => void,
    ) => void;
    send(request, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

const of = (map: object) => struct.Struct.fromJavaScript(map as Record<string, struct.JavaScriptValue>);

const type = "mailkeep:index:Mailbox";
const urn = urnOf(type, "anna");
const wire = { address: "anna@example.org", password: secret("hunter2") };

async function check(news: object) {
  const request = new messages.CheckRequest();
  request.setUrn(urn);
  request.setNews(of(news));
  return call<InstanceType<typeof messages.CheckResponse>>("check", request);
}

test("the handshake and Configure accept secrets and previews", async () => {
  const handshake = await call<InstanceType<typeof messages.ProviderHandshakeResponse>>(
    "handshake",
    new messages.ProviderHandshakeRequest(),
  );
  assert.equal(handshake.getAcceptSecrets(), true);
  const request = new messages.ConfigureRequest();
  request.setArgs(of({ type: "local", directory: "/nowhere" }));
  const configured = await call<InstanceType<typeof messages.ConfigureResponse>>("configure", request);
  assert.equal(configured.getAcceptsecrets(), true);
  assert.equal(configured.getSupportspreview(), true);
});

test("a configuration that fits no host is refused by CheckConfig with the property", async () => {
  const request = new messages.CheckRequest();
  request.setNews(of({ type: "local", directry: "/x" }));
  const answer = await call<InstanceType<typeof messages.CheckResponse>>("checkConfig", request);
  const failures = answer
    .getFailuresList()
    .map((failure) => `${failure.getProperty()}: ${failure.getReason()}`);
  assert.deepEqual(failures.sort(), [
    "directory: is missing",
    'directry: is not known here; did you mean "directory"?',
  ]);
});

test("a mailbox is checked, created, compared, read, updated and deleted over the wire", async () => {
  const checked = await check(wire);
  assert.deepEqual(checked.getFailuresList(), []);
  const inputs = checked.getInputs()!;
  assert.deepEqual(inputs.toJavaScript().password, wire.password);

  const create = new messages.CreateRequest();
  create.setUrn(urn);
  create.setProperties(inputs);
  create.setPreview(true);
  const previewed = await call<InstanceType<typeof messages.CreateResponse>>("create", create);
  assert.equal(previewed.getId(), "anna@example.org");
  assert.ok(!host.objects.has("mailbox anna@example.org"));
  create.setPreview(false);
  const created = await call<InstanceType<typeof messages.CreateResponse>>("create", create);
  const state = created.getProperties()!;
  assert.ok(!JSON.stringify(state.toJavaScript()).includes("hunter2"));
  assert.ok(host.objects.has("mailbox anna@example.org"));

  const more = (await check({ ...wire, quotaBytes: 1024 })).getInputs()!;
  const diff = new messages.DiffRequest();
  diff.setUrn(urn);
  diff.setId(created.getId());
  diff.setOldInputs(inputs);
  diff.setOlds(state);
  diff.setNews(more);
  const differs = await call<InstanceType<typeof messages.DiffResponse>>("diff", diff);
  assert.equal(differs.getChanges(), messages.DiffResponse.DiffChanges.DIFF_SOME);
  assert.deepEqual(differs.getReplacesList(), []);
  assert.deepEqual(differs.getDiffsList(), ["quotaBytes"]);
  assert.equal(differs.getDetaileddiffMap().get("quotaBytes")?.getKind(), messages.PropertyDiff.Kind.UPDATE);

  const update = new messages.UpdateRequest();
  update.setUrn(urn);
  update.setId(created.getId());
  update.setOldInputs(inputs);
  update.setOlds(state);
  update.setNews(more);
  await call("update", update);

  const read = new messages.ReadRequest();
  read.setUrn(urn);
  read.setId(created.getId());
  read.setInputs(inputs);
  read.setProperties(state);
  const found = await call<InstanceType<typeof messages.ReadResponse>>("read", read);
  assert.equal(found.getInputs()?.toJavaScript().quotaBytes, 1024);

  const remove = new messages.DeleteRequest();
  remove.setUrn(urn);
  remove.setId(created.getId());
  remove.setOldInputs(more);
  remove.setProperties(state);
  await call("delete", remove);
  assert.equal(host.objects.get("mailbox anna@example.org")?.enabled, false);
});

test("an address that changes is a replacement, one that is not known yet is none", async () => {
  const inputs = (await check(wire)).getInputs()!;
  for (const [address, replaces] of [
    ["anne@example.org", ["address"]],
    [UNKNOWN, []],
  ] as const) {
    const diff = new messages.DiffRequest();
    diff.setUrn(urn);
    diff.setOldInputs(inputs);
    diff.setOlds(of({ owner: urn }));
    diff.setNews((await check({ ...wire, address })).getInputs()!);
    const answer = await call<InstanceType<typeof messages.DiffResponse>>("diff", diff);
    assert.deepEqual(answer.getReplacesList(), replaces);
    assert.equal(answer.getChanges(), messages.DiffResponse.DiffChanges.DIFF_SOME);
  }
});

test("what the host refuses arrives as its sentence, without a stack trace", async () => {
  host.failures.push(new Error("anna@example.org is an alias of setup's"));
  const create = new messages.CreateRequest();
  create.setUrn(urn);
  create.setProperties((await check(wire)).getInputs()!);
  await assert.rejects(call("create", create), (error: grpc.ServiceError) => {
    assert.equal(error.details, "anna@example.org is an alias of setup's");
    return true;
  });
});

test("an object that is half made carries its id and reasons in the status details", async () => {
  const half = new PartialFailure({
    id: "anna@example.org",
    outputs: { address: "a" },
    reasons: ["no greeting"],
  });
  host.failures.push(half);
  const create = new messages.CreateRequest();
  create.setUrn(urn);
  create.setProperties((await check(wire)).getInputs()!);
  await assert.rejects(call("create", create), (error: grpc.ServiceError) => {
    const details = error.metadata.get("grpc-status-details-bin")[0];
    assert.ok(Buffer.isBuffer(details) && details.includes("pulumirpc.ErrorResourceInitFailed"));
    assert.ok(details.includes("no greeting"));
    return true;
  });
});

test("a function is answered UNIMPLEMENTED, since there is none", async () => {
  await assert.rejects(call("invoke", new messages.InvokeRequest()), (error: grpc.ServiceError) => {
    assert.equal(error.code, grpc.status.UNIMPLEMENTED);
    return true;
  });
});

test("the schema and the version are told", async () => {
  const schema = await call<InstanceType<typeof messages.GetSchemaResponse>>(
    "getSchema",
    new messages.GetSchemaRequest(),
  );
  assert.equal((JSON.parse(schema.getSchema()) as { name: string }).name, "mailkeep");
  const info = await call<{ getVersion(): string }>("getPluginInfo", new empty.Empty());
  assert.match(info.getVersion(), /^\d+\.\d+\.\d+/);
});

test("the plugin prints its port as its first line and ends on SIGTERM", async () => {
  const entry = fileURLToPath(new URL("./index.js", import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [entry, "127.0.0.1:1"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
    assert.match(line, /^\d+$/);
  } finally {
    child.kill("SIGTERM");
  }
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0);
});
