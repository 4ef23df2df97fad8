/** What exists once in the server, asked from several processes: the count of what an account sends. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { perform } from "../admin/operations.ts";
import { startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";
import { letter, plain, submit } from "../smtp/submission-for-tests.ts";
import { Dialogue } from "../smtp/testing.ts";

const owner = "urn:test";

test("what an account sends counts once, whichever processes take it", { timeout: 120_000 }, async (t) => {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-limit-"));
  t.after(() => rm(root, { recursive: true, force: true, maxRetries: 3 }));
  const directories = directoriesBelow(root);
  const context = { directories, version: "1" };
  await perform("certificate.put", { names: ["localhost"], issuer: { type: "local-ca" }, owner }, context);
  const password = { text: "secret", policy: "initial" } as const;
  for (const address of ["ann@example.org", "bob@example.org"])
    await perform("mailbox.put", { address, owner, password }, context);
  const settings = {
    hostname: "mail.example.org",
    listeners: [{ protocol: "submissions" as const, address: "127.0.0.1", port: 0 }],
    dns: { servers: ["127.0.0.1:9"] },
    workers: { least: 3 },
    submission: { limits: { messagesPerHour: 7 } },
  };
  await perform("settings.put", { owner, settings }, context);
  const server = await startServer({
    directories,
    env: process.env,
    version: "1",
    logToStdout: false,
    onStopRequested() {},
  });
  t.after(() => server.stop(2000));
  const { port } = server.listeners()[0]!;

  const clients: Dialogue[] = [];
  for (let number = 0; number < 6; number++) {
    const socket = tlsConnect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    t.after(() => socket.destroy());
    const dialogue = new Dialogue(socket);
    await dialogue.hear();
    await dialogue.say("EHLO laptop.local");
    assert.match(await dialogue.say(plain("ann@example.org")), /^235 /);
    clients.push(dialogue);
  }
  const answers = await Promise.all(
    clients.map(async (client) => [
      await submit(client, ["bob@example.org"], letter),
      await submit(client, ["bob@example.org"], letter),
    ]),
  );
  const all = answers.flat();
  assert.ok(all.every((answer) => answer.startsWith("250 ")));
  assert.equal(all.filter((answer) => !answer.includes("held")).length, 7);

  server.log.flush();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const lines = (await readFile(join(directories.log, "mail.log"), "utf8")).split("\n").filter(Boolean);
  const submitted = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "submitted");
  const processes = new Set(submitted.map(({ worker }) => worker));
  assert.ok(processes.size >= 2, `taken by ${[...processes].join(", ")}`);
});
