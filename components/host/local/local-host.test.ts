/** The local host with the real runtime: it starts, is found again, and stops. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Listener, Protocol } from "../../../mailserver-runtime/settings/schema.ts";
import type { Host } from "../connection.ts";
import { connectLocal } from "./local-host.ts";
import { identify } from "./process.ts";

const root = mkdtempSync(join(tmpdir(), "local-host-"));
const host: Host = connectLocal({ type: "local", directory: join(root, "data") });
const limit = () => ({ deadline: Date.now() + 60_000 });
const owner = "urn:pulumi:dev::mailkeep::mailkeep:index:Server::s";
let listeners: Listener[];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

const pidOf = () =>
  (JSON.parse(readFileSync(join(host.directories.run, "declared.json"), "utf8")) as { pid: number }).pid;

before(async () => {
  const protocols: Protocol[] = ["smtp", "imap"];
  listeners = await Promise.all(
    protocols.map(async (protocol) => ({
      protocol,
      address: "127.0.0.1",
      port: await freePort(),
      proxyProtocol: [],
    })),
  );
  await host.makeDirectories(limit());
  const settings = { hostname: "mail.green.test", listeners };
  await host.perform("settings.put", { settings, owner }, limit());
  await host.perform(
    "certificate.put",
    { names: ["mail.green.test"], issuer: { type: "local-ca" }, owner },
    limit(),
  );
});

after(async () => {
  await host.stopServer(2_000, limit()).catch(() => undefined);
  await host.close();
  rmSync(root, { recursive: true, force: true });
});

test("before a start the files answer, and no server runs", async () => {
  assert.deepEqual(await host.serverState(limit()), { kind: "stopped" });
  const status = await host.perform("status", {}, limit());
  assert.equal(status.running, false);
  assert.match(status.machineId, /\S/);
});

test("operations that are asked together are each answered", async () => {
  const domains = ["a.test", "b.test", "c.test"];
  const answers = await Promise.all(
    domains.map((domain) => host.perform("domain.put", { domain, owner }, limit())),
  );
  assert.deepEqual(
    answers.map(({ domain }) => domain),
    domains,
  );
});

test("what the host refuses keeps its code and its sentence", async () => {
  await assert.rejects(
    host.perform("alias.put", { address: "no address", targets: ["a@a.test"], owner }, limit()),
    (error: { code?: string; message: string }) => error.code === "invalid" && error.message.length > 10,
  );
});

test("a taken port is named with its holder, before anything starts", {
  skip: process.platform !== "linux",
}, async () => {
  const taker = createServer().listen(listeners[0]!.port, "127.0.0.1");
  await once(taker, "listening");
  try {
    await assert.rejects(host.startServer({ version: "1", owner, listeners }, limit()), {
      code: "port-taken",
      message: new RegExp(`port ${listeners[0]!.port} \\(held by process ${process.pid}`),
    });
  } finally {
    taker.close();
    await once(taker, "close");
  }
});

test("a started server is healthy, in a session of its own, and knows whose it is", async () => {
  await host.startServer({ version: "1", owner, listeners }, limit());
  assert.deepEqual(await host.serverState(limit()), { kind: "running", version: "1", owner });
  assert.equal((await host.perform("status", {}, limit())).running, true);
  if (process.platform === "linux") {
    const session = readFileSync(`/proc/${pidOf()}/stat`, "latin1").split(") ")[1]!.split(" ")[3];
    assert.equal(Number(session), pidOf());
    const environment = readFileSync(`/proc/${pidOf()}/environ`, "utf8").split("\0");
    assert.ok(environment.includes("UV_THREADPOOL_SIZE=16"));
    assert.ok(!environment.some((line) => line.startsWith("PULUMI_")));
  }
});

test("starting the same code again leaves the process alone; other code replaces it", async () => {
  const first = pidOf();
  await host.startServer({ version: "1", owner: "another", listeners }, limit());
  assert.equal(pidOf(), first);
  assert.deepEqual(await host.serverState(limit()), { kind: "running", version: "1", owner: "another" });
  await host.startServer({ version: "2", owner, listeners }, limit());
  assert.notEqual(pidOf(), first);
  assert.equal(await identify(first), undefined);
});

test("a server that was killed counts as stopped at once, and starts again", async () => {
  process.kill(pidOf(), "SIGKILL");
  const deadline = Date.now() + 5_000;
  while ((await host.serverState(limit())).kind !== "stopped" && Date.now() < deadline);
  assert.deepEqual(await host.serverState(limit()), { kind: "stopped" });
  await host.startServer({ version: "2", owner, listeners }, limit());
  assert.equal((await host.serverState(limit())).kind, "running");
});

test("a server that hangs is unreachable, and is replaced by a start", async () => {
  const hung = pidOf();
  process.kill(hung, "SIGSTOP");
  assert.equal((await host.serverState({ deadline: Date.now() + 200 })).kind, "unreachable");
  await host.startServer({ version: "2", owner, listeners }, limit());
  assert.notEqual(pidOf(), hung);
  assert.equal(await identify(hung), undefined);
});

test("a stop ends the process and keeps the data; a second one is no error", async () => {
  const pid = pidOf();
  await host.stopServer(2_000, limit());
  assert.equal(await identify(pid), undefined);
  await host.stopServer(2_000, limit());
  assert.ok(existsSync(host.directories.mail));
  assert.equal(await host.hasDirectories(limit()), true);
});

test("a server that cannot start is told with what it said", async () => {
  const taker = createServer().listen(listeners[0]!.port, "127.0.0.1");
  await once(taker, "listening");
  try {
    // Without listeners to look at beforehand it is the server that finds the port taken.
    await assert.rejects(host.startServer({ version: "1", owner, listeners: [] }, limit()), {
      code: "unhealthy",
      message: new RegExp(`ended while it started\\. The end of .*\\.log:\n {2}[^]*${listeners[0]!.port}`),
    });
  } finally {
    taker.close();
  }
});
