/** Several sessions on one mailbox, accepted by different processes of one server, as real clients see them. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { perform } from "../admin/operations.ts";
import { Client } from "../imap/test/client.ts";
import { startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";

const owner = "urn:test";

test("sessions of one account see each other's changes at once and in one order, whichever process took them (D7)", {
  timeout: 120_000,
}, async (t) => {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-workers-"));
  t.after(() => rm(root, { recursive: true, force: true, maxRetries: 3 }));
  const directories = directoriesBelow(root);
  const context = { directories, version: "1" };
  await perform("certificate.put", { names: ["localhost"], issuer: { type: "local-ca" }, owner }, context);
  const password = { text: "right", policy: "initial" } as const;
  await perform("mailbox.put", { address: "ann@example.org", owner, password }, context);
  const settings = {
    hostname: "mail.example.org",
    listeners: [{ protocol: "imaps" as const, address: "127.0.0.1", port: 0 }],
    dns: { servers: ["127.0.0.1:9"] },
    workers: { least: 3 },
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

  const clients: Client[] = [];
  for (let number = 0; number < 6; number++) {
    const client = await Client.open(port);
    client.send("a LOGIN ann@example.org right\r\n");
    await client.until(/^a OK .*\r\n/m);
    client.send("b SELECT INBOX\r\n");
    await client.until(/^b OK .*\r\n/m);
    clients.push(client);
  }
  server.log.flush();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const log = await readFile(join(directories.log, "mail.log"), "utf8");
  const relayed = log.split("\n").filter((line) => line.includes('"session-relayed"'));
  assert.ok(relayed.length >= 2, "some were accepted elsewhere and are relayed");

  // Everybody waits in IDLE; then each in turn adds a message, and one removes them.
  for (const client of clients) {
    client.send("i IDLE\r\n");
    await client.until(/^\+ .*\r\n/m);
  }
  for (const [turn, writer] of clients.entries()) {
    writer.send("DONE\r\n");
    await writer.until(/^i OK .*\r\n/m);
    writer.send("c APPEND INBOX {25+}\r\nSubject: turn\r\n\r\nHello.\r\n\r\n");
    await writer.until(/^c OK .*\r\n/m);
    writer.send("i IDLE\r\n");
    await writer.until(/^\+ .*\r\n/m);
    for (const client of clients)
      if (client !== writer) await client.until(new RegExp(`^\\* ${turn + 1} EXISTS\\r\\n`, "m"));
  }
  const remover = clients[3]!;
  remover.send("DONE\r\n");
  await remover.until(/^i OK .*\r\n/m);
  remover.send("d STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\n");
  await remover.until(/^d OK .*\r\n/m);
  remover.send("e EXPUNGE\r\n");
  await remover.until(/^e OK .*\r\n/m);
  for (const client of clients) {
    if (client === remover) continue;
    const told = await client.until(/^\* 2 EXPUNGE\r\n\* 1 EXPUNGE\r\n/m);
    assert.ok(told.indexOf("FETCH") < told.indexOf("EXPUNGE"), "flags are told before the message goes");
    client.send("DONE\r\n");
    await client.until(/^i OK .*\r\n/m);
    client.send("f UID SEARCH ALL\r\n");
    assert.match(await client.until(/^f OK .*\r\n/m), /\* SEARCH 3 4 5 6\r\n/);
  }
  clients[5]!.send("g LOGOUT\r\n");
  await clients[5]!.until(/^\* BYE .*\r\n(?:.*\r\n)*?g OK .*\r\n/m);
});
