/** The host in a container, against a real Docker engine and the image of this checkout. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Listener } from "../../../mailserver-runtime/settings/schema.ts";
import { buildImage, type Docker, openDocker } from "../../../test/support/docker.ts";
import { connect, type Host } from "../connection.ts";
import type { HostError } from "../host-error.ts";
import { capabilities, volumePaths } from "./container-layout.ts";
import { OWNER_LABEL } from "./docker-host.ts";
import { DockerEngine } from "./engine-api.ts";

const root = mkdtempSync(join(tmpdir(), "mailkeep-docker-host-"));
const container = `mailkeep-host-${process.pid}`;
const directory = join(root, "mail-host");
let docker: Docker;
let image: string;
let reason: string | undefined;
let host: Host;

const soon = (seconds = 60) => ({ deadline: Date.now() + seconds * 1000 });
const listeners: Listener[] = [
  { protocol: "smtp", address: "::", port: 25, proxyProtocol: [] },
  { protocol: "submissions", address: "::", port: 465, proxyProtocol: [] },
  { protocol: "imaps", address: "::", port: 993, proxyProtocol: [] },
];

before(async () => {
  const opened = await openDocker();
  if (typeof opened === "string") {
    reason = opened;
    return;
  }
  docker = opened;
  image = await buildImage(docker);
  host = connect({ type: "docker", address: docker.address, image, container, directory, memoryBytes: 0 });
});
after(async () => {
  await host?.close();
  await docker?.ask(["rm", "--force", "--volumes", container]);
  await docker?.end();
  rmSync(root, { recursive: true, force: true });
});

/** The container as the stack declares it. */
const run = () =>
  docker.do([
    ...[
      "run",
      "--detach",
      "--name",
      container,
      "--hostname",
      "mail.green.test",
      "--label",
      `${OWNER_LABEL}=me`,
    ],
    ...[
      "--read-only",
      "--tmpfs",
      "/run",
      "--init",
      "--security-opt",
      "no-new-privileges",
      "--cap-drop",
      "ALL",
    ],
    ...capabilities.flatMap((one) => ["--cap-add", one]),
    ...volumePaths(directory).flatMap((paths) => ["--volume", `${paths.hostPath}:${paths.containerPath}`]),
    image,
  ]);

test("a mail host in Docker from nothing: directories, keys and settings first, then the container, then accounts", async (t) => {
  if (reason !== undefined) return t.skip(reason);
  const imageId = await docker.do(["image", "inspect", "--format", "{{.Id}}", image]);
  assert.equal(await host.runtimeVersion(), imageId);
  assert.equal(await host.hasDirectories(soon()), false);
  await host.makeDirectories(soon());
  assert.equal(await host.hasDirectories(soon()), true);
  assert.deepEqual(readdirSync(directory).sort(), ["config", "log", "mail", "state"]);
  assert.equal(statSync(join(directory, "mail")).uid, 5000);
  assert.deepEqual(await host.serverState(soon()), { kind: "stopped" });

  const owner = "me";
  // Without a container: by a short-lived one on the same directories.
  const key = await host.perform(
    "dkim.put",
    { domain: "green.test", selector: "mk1", algorithm: "ed25519", active: true, owner },
    soon(),
  );
  assert.equal(key.created, true);
  await host.perform(
    "certificate.put",
    { names: ["mail.green.test"], issuer: { type: "local-ca" }, owner },
    soon(),
  );
  await host.perform(
    "settings.put",
    { settings: { hostname: "mail.green.test", listeners: listeners }, owner },
    soon(),
  );
  await assert.rejects(
    host.startServer({ version: imageId, owner, listeners }, soon()),
    (error: HostError) => error.code === "not-found" && /removed by hand/.test(error.message),
  );

  await run();
  await host.startServer({ version: imageId, owner, listeners }, soon());
  assert.deepEqual(await host.serverState(soon()), { kind: "running", version: imageId, owner });
  const before = await docker.do(["inspect", "--format", "{{.Id}}", container]);

  // Accounts and changed settings are files and a reload: the container stays the same.
  const made = await host.perform(
    "mailbox.put",
    { address: "anna@green.test", owner, password: { text: "a secret", policy: "initial" } },
    soon(),
  );
  assert.deepEqual(made, { address: "anna@green.test", created: true });
  const changed = await host.perform(
    "settings.put",
    {
      settings: { hostname: "mail.green.test", listeners: listeners, message: { sizeLimit: 1 << 20 } },
      owner,
    },
    soon(),
  );
  assert.deepEqual(changed.restartNeeded, []);
  const now = await host.perform("status", {}, soon());
  assert.equal(now.running, true);
  assert.equal(now.accounts, 1);
  assert.equal(await docker.do(["inspect", "--format", "{{.Id}}", container]), before);
  // The stack made the directories for the mail user, so the server need not override anything (D7).
  const capabilitiesOfServer = `for p in /proc/[0-9]*; do
  grep -q mailserver-runtime/main $p/cmdline && grep CapEff $p/status; done; :`;
  const found = await docker.do(["exec", container, "sh", "-c", capabilitiesOfServer]);
  assert.match(found, /^CapEff:\t0000000000000400$/m);

  await t.test("stopped by hand it is drift, and operations go on without it", async () => {
    await docker.do(["stop", container]);
    assert.deepEqual(await host.serverState(soon()), { kind: "stopped" });
    const read = await host.perform(
      "mailbox.read",
      { address: "anna@green.test", password: "a secret" },
      soon(),
    );
    assert.equal(read.passwordMatches, true);
    await host.startServer({ version: imageId, owner, listeners }, soon());
    assert.equal((await host.serverState(soon())).kind, "running");
  });
  await t.test("removed by hand it is drift too, and its mail stays where it is", async () => {
    await docker.do(["rm", "--force", container]);
    assert.deepEqual(await host.serverState(soon()), { kind: "stopped" });
    assert.equal(await host.hasDirectories(soon()), true);
    await host.makeDirectories(soon());
    await run();
    await host.startServer({ version: imageId, owner, listeners }, soon());
    assert.equal((await host.perform("status", {}, soon())).accounts, 1);
  });
  await t.test("a server that cannot start is told with the end of its log", async () => {
    await host.stopServer(10_000, soon());
    rmSync(join(directory, "config/stack/settings.json"));
    writeFileSync(join(directory, "config/stack/settings.json"), "{ broken");
    await assert.rejects(
      host.startServer({ version: imageId, owner, listeners }, soon(30)),
      (error: HostError) => error.code === "unhealthy" && /settings\.json/.test(error.message),
    );
  });
  await t.test("nothing short-lived is left behind", async () => {
    await host.close();
    const left = await docker.do([
      "ps",
      "--all",
      "--quiet",
      "--filter",
      `label=mailkeep.task`,
      "--filter",
      `ancestor=${image}`,
    ]);
    assert.equal(left, "");
  });
});

test("a host with less memory than the server and its sidecars need is refused before anything is made", async (t) => {
  if (reason !== undefined) return t.skip(reason);
  const place = join(root, "small");
  const small = connect({
    ...{ type: "docker", address: docker.address, image, container: "mailkeep-none", directory: place },
    memoryBytes: 2 ** 50,
  } as const);
  await assert.rejects(small.makeDirectories(soon()), /of memory; the server and its sidecars need \d+ MiB/);
  assert.ok(!existsSync(place));
  await small.close();
});

test("an engine that is too old says which version is needed", async () => {
  const path = join(root, "old.sock");
  const old = createHttp((_request, response) =>
    response.end(JSON.stringify({ ApiVersion: "1.38", Version: "18.06.0-ce" })),
  ).listen(path);
  const engine = new DockerEngine({ address: `unix://${path}` });
  await assert.rejects(engine.container("x", soon(5)), {
    code: "unsupported",
    message: /Docker 18\.06\.0-ce \(API 1\.38\); mailkeep needs Docker 20\.10/,
  });
  engine.close();
  old.close();
});

test("an engine that does not answer is unreachable, with the way out", async () => {
  const engine = new DockerEngine({ address: `unix://${join(root, "none.sock")}` });
  await assert.rejects(engine.container("x", soon(5)), {
    code: "unreachable",
    message: /Is Docker installed there/,
  });
  const path = join(root, "silent.sock");
  const silent = createServer(() => {}).listen(path);
  const waiting = new DockerEngine({ address: `unix://${path}` });
  await assert.rejects(waiting.container("x", soon(0.3)), {
    code: "unreachable",
    message: /no answer in time/,
  });
  waiting.close();
  silent.close();
});

test("an address with a key, a password or without TLS is refused with the way that works", () => {
  const refused = (address: string) =>
    assert.throws(() => new DockerEngine({ address }), { code: "invalid" });
  for (const address of [
    "tcp://10.0.0.1:2375",
    "ssh://root:secret@mail.example.org",
    "unix://",
    "mail.example.org",
  ])
    refused(address);
});
