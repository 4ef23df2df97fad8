import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { closePasswordHashing } from "../auth/password/password.ts";
import { openConfiguration } from "../config/configuration.ts";
import type { Configuration } from "../config/snapshot.ts";
import { silentLog } from "../net/log.ts";
import { type Directories, directoriesBelow } from "../settings/directories.ts";
import { connectAdmin } from "./client.ts";
import { type LiveServer, OperationError } from "./context.ts";
import { answerLine } from "./contract.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";
import { nothingQueued } from "./nothing-queued.ts";
import { type AdminServer, startAdminServer } from "./server.ts";

let root: string;
let directories: Directories;
let configuration: Configuration;
let server: AdminServer | undefined;
let stopped: number[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "admin-"));
  directories = directoriesBelow(root);
  await mkdir(directories.config, { recursive: true });
  stopped = [];
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await configuration?.close();
  await rm(root, { recursive: true, force: true });
});
after(closePasswordHashing);

async function start(): Promise<AdminServer> {
  configuration = await openConfiguration(directories, {
    log: silentLog,
    env: { OVERRIDE_HOSTNAME: "mail.example.org" },
    watch: false,
  });
  const live: LiveServer = {
    configuration,
    startedAt: new Date(),
    listeners: () => [{ protocol: "imap", address: "127.0.0.1", port: 1143 }],
    ...nothingQueued,
    stop: (graceMs) => void stopped.push(graceMs),
  };
  server = await startAdminServer({ directories, version: "1.2.3", live, log: silentLog });
  return server;
}

async function ask(operation: string, request: object): Promise<unknown> {
  const client = await connectAdmin(directories.run);
  assert.ok(client);
  const answer = answerLineOf(await client.ask(JSON.stringify({ operation, request })));
  client.close();
  return answer;
}
const answerLineOf = (text: string) => answerLine.parse(JSON.parse(text));

test("An answer over the socket means that the change is in force", async () => {
  await start();
  const put = await ask("mailbox.put", {
    address: "ann@example.org",
    owner: "urn:a",
    password: { text: "secret", policy: "initial" },
  });
  assert.deepEqual(put, { ok: true, answer: { address: "ann@example.org", created: true } });
  assert.ok(
    configuration.current().account("ann@example.org")?.passwordHash?.startsWith("{SHA512-CRYPT}$6$"),
  );
  await ask("mailbox.remove", { address: "ann@example.org", owner: "urn:a" });
  assert.equal(configuration.current().account("ann@example.org")?.enabled, false);
});

test("Status tells who runs and where; settings say what needs a restart; stop is passed on", async () => {
  await start();
  const status = (await ask("status", {})) as {
    answer: { running: boolean; pid: number; listeners: object[] };
  };
  assert.deepEqual(
    [status.answer.running, status.answer.pid, status.answer.listeners.length],
    [true, process.pid, 1],
  );
  const settings = { hostname: "mail.example.org", listeners: [{ protocol: "imap", port: 1143 }] };
  assert.deepEqual(await ask("settings.put", { settings, owner: "urn:s" }), {
    ok: true,
    answer: { restartNeeded: ["listeners"] },
  });
  // Still needed: the server has not been started again since.
  assert.deepEqual(await ask("settings.put", { settings, owner: "urn:s" }), {
    ok: true,
    answer: { restartNeeded: ["listeners"] },
  });
  assert.deepEqual(await ask("stop", { graceMs: 5 }), { ok: true, answer: { stopping: true } });
  assert.deepEqual(stopped, [5]);
});

test("The socket is its user's alone, in a directory that is, too", async () => {
  await start();
  assert.equal(statSync(join(directories.run, "admin.sock")).mode & 0o777, 0o600);
  assert.equal(statSync(directories.run).mode & 0o777, 0o700);
});

test("Requests of one connection are answered in order; a broken line is answered and the next one still is", async () => {
  await start();
  const socket = connect(join(directories.run, "admin.sock"));
  socket.write(
    '{"operation":"status","request":{}}\nnonsense secret\n{"operation":"nope","request":{}}\n{"operation":"rel',
  );
  socket.write('oad","request":{}}\n');
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
    if (text.split("\n").length > 4) socket.end();
  });
  await once(socket, "close");
  const answers = text.trim().split("\n").map(answerLineOf);
  assert.deepEqual(
    answers.map((one) => (one.ok ? "ok" : one.code)),
    ["ok", "invalid", "invalid", "ok"],
  );
  assert.ok(!text.includes("secret"));
});

test("A request larger than the limit is refused and the connection closed", async () => {
  await start();
  const socket = connect(join(directories.run, "admin.sock"));
  socket.on("error", () => {});
  const chunk = Buffer.alloc(1 << 20, "x");
  for (let sent = 0; sent <= MAX_REQUEST_BYTES; sent += chunk.length) socket.write(chunk);
  let text = "";
  socket.on("data", (data) => {
    text += data.toString();
  });
  await once(socket, "close");
  assert.match(text, /at most 4194304 bytes/);
  assert.deepEqual(((await ask("status", {})) as { ok: boolean }).ok, true);
});

test("A second server on the same directory is refused, a dead one's socket is replaced, a closed one leaves none", async () => {
  await start();
  await assert.rejects(
    startAdminServer({ directories, version: "1", live: {} as LiveServer, log: silentLog }),
    (error: Error) => error instanceof OperationError && error.code === "conflict",
  );
  await server?.close();
  server = undefined;
  assert.equal(existsSync(join(directories.run, "admin.sock")), false);
  assert.equal(await connectAdmin(directories.run), undefined);
  // What a killed server leaves: a socket that nobody accepts on.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(join(directories.run, "dead.sock"), resolve));
  await import("node:fs/promises").then(({ link }) =>
    link(join(directories.run, "dead.sock"), join(directories.run, "admin.sock")),
  );
  await new Promise((resolve) => dead.close(resolve));
  await start();
  assert.equal(((await ask("status", {})) as { ok: boolean }).ok, true);
});

test("A directory whose path is longer than a socket's address is served all the same (unix(7))", async () => {
  directories = directoriesBelow(join(root, "d".repeat(90), "e".repeat(90)));
  await mkdir(directories.config, { recursive: true });
  await start();
  assert.ok(Buffer.byteLength(join(directories.run, "admin.sock")) > 180);
  assert.equal(((await ask("status", {})) as { ok: boolean }).ok, true);
  await server?.close();
  server = undefined;
  assert.equal(existsSync(join(directories.run, "admin.sock")), false);
});
