/** LMTP (RFC 2033) over TCP and a socket file, with Postfix and swaks as the clients it is for. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { needs, run } from "../../test/support/tools.ts";
import { StoreError } from "../store/mail-store.ts";
import { Dialogue, type FixtureOptions, smtpServer } from "./testing.ts";

const unavailable = new StoreError("unavailable", "the mail volume is not mounted");
const overQuota = new StoreError("over-quota", "over quota");

async function session(t: TestContext, options: FixtureOptions = {}) {
  const server = await smtpServer(t, { mode: "lmtp", ...options });
  const dialogue = await Dialogue.open(t, server.port);
  await dialogue.hear();
  await dialogue.say("LHLO front.test");
  return { server, dialogue };
}
async function recipients(dialogue: Dialogue, ...addresses: readonly string[]) {
  assert.match(await dialogue.say("MAIL FROM:<x@y.test> RET=HDRS"), /^250/);
  for (const address of addresses) assert.match(await dialogue.say(`RCPT TO:<${address}>`), /^250/, address);
}
async function hear(dialogue: Dialogue, count: number): Promise<string[]> {
  const answers: string[] = [];
  for (let index = 0; index < count; index++) answers.push((await dialogue.hear()).slice(0, 9));
  return answers;
}

test("each recipient is answered by itself: stored, full, failed (RFC 2033 §4.2)", async (t) => {
  const { server, dialogue } = await session(t);
  server.failures.set("bob@example.org", overQuota).set("carol@example.net", unavailable);
  await recipients(dialogue, "ann@example.org", "bob@example.org", "carol@example.net");
  await dialogue.say("DATA");
  dialogue.send("Subject: x\r\n\r\ny\r\n.\r\n");
  assert.deepEqual(await hear(dialogue, 3), ["250 2.0.0", "552 5.2.2", "451 4.3.0"]);
  assert.deepEqual(
    server.stored.map(({ account }) => account),
    ["ann@example.org"],
  );
  assert.deepEqual(server.queued, []);
  const line = server.logged.find(({ event }) => event === "accepted");
  assert.deepEqual([line?.to, line?.refused], [["ann@example.org"], 2]);
  assert.match(await dialogue.say("MAIL FROM:<>"), /^250/);
});

test("BDAT LAST is answered for each recipient, the chunks before it once (RFC 3030 §4.2)", async (t) => {
  const { server, dialogue } = await session(t);
  server.failures.set("bob@example.org", unavailable);
  await recipients(dialogue, "bob@example.org", "ann@example.org");
  dialogue.send("BDAT 14\r\nSubject: x\r\n\r\nBDAT 3 LAST\r\ny\r\n");
  assert.deepEqual(await hear(dialogue, 3), ["250 2.0.0", "451 4.3.0", "250 2.0.0"]);
});

test("a recipient named twice is answered twice and gets one copy (RFC 2033 §4.2)", async (t) => {
  const { server, dialogue } = await session(t);
  await recipients(dialogue, "ann@example.org", "ann@example.org", "sales@example.org");
  await dialogue.say("DATA");
  dialogue.send("Subject: x\r\n\r\ny\r\n.\r\n");
  assert.deepEqual(await hear(dialogue, 3), ["250 2.0.0", "250 2.0.0", "250 2.0.0"]);
  assert.deepEqual(
    server.stored.map(({ account }) => account),
    ["ann@example.org", "bob@example.org"],
  );
});

test("an alias of which one copy failed is acknowledged once that copy is queued, and not before", async (t) => {
  const { server, dialogue } = await session(t);
  server.failures.set("bob@example.org", unavailable);
  await recipients(dialogue, "sales@example.org", "bob@example.org");
  await dialogue.say("DATA");
  dialogue.send("Subject: x\r\n\r\ny\r\n.\r\n");
  assert.deepEqual(await hear(dialogue, 2), ["250 2.0.0", "451 4.3.0"]);
  assert.deepEqual(
    server.queued.map(({ envelope }) => envelope.recipients.map(({ address }) => address)),
    [["bob@example.org"]],
  );
  server.failures.set("queue", new Error("the disk is gone"));
  await recipients(dialogue, "sales@example.org", "both@example.org", "ann@example.org");
  await dialogue.say("DATA");
  dialogue.send("Subject: x\r\n\r\ny\r\n.\r\n");
  assert.deepEqual(await hear(dialogue, 3), ["451 4.3.0", "451 4.3.0", "250 2.0.0"]);
  assert.ok(
    server.logged.some(
      ({ event, account }) => event === "duplicate-possible" && account === "ann@example.org",
    ),
  );
});

test("a message that is refused as it came is refused for each recipient, and many refusals end no session", async (t) => {
  const { dialogue } = await session(t, { limits: { errors: 3, errorDelayMs: 0 } });
  await recipients(dialogue, "ann@example.org", "bob@example.org", "carol@example.net", "postmaster");
  for (let count = 0; count < 5; count++)
    assert.match(await dialogue.say("RCPT TO:<nobody@example.org>"), /^550/);
  await dialogue.say("DATA");
  dialogue.send("Subject: x\r\n\r\na\rb\r\n.\r\n");
  assert.deepEqual(await hear(dialogue, 4), Array(4).fill("554 5.6.0"));
  assert.match(await dialogue.say("NOOP"), /^250/);
});

test("what the server in front wrote in our name stays, and its mail is not judged again", async (t) => {
  const inspected: unknown[] = [];
  const filter = {
    inspect: async (message: unknown) => {
      inspected.push(message);
      throw new Error("not to be asked");
    },
  };
  const { server, dialogue } = await session(t, { filter });
  await recipients(dialogue, "ann@example.org");
  await dialogue.say("DATA");
  dialogue.send("Authentication-Results: mail.example.org; spf=pass\r\nX-Spam-Flag: NO\r\n\r\ny\r\n.\r\n");
  assert.match(await dialogue.hear(), /^250/);
  assert.match(
    server.stored[0]!.content,
    /^Authentication-Results: mail\.example\.org; spf=pass\r\nX-Spam-Flag/,
  );
  assert.deepEqual(inspected, []);
});

test("swaks delivers over a socket file", async (t) => {
  if (!needs(t, "swaks")) return;
  const server = await smtpServer(t, { mode: "lmtp", onSocketFile: true });
  const { code, stdout } = await run("swaks", [
    ...["--socket", server.socketFile, "--protocol", "LMTP", "--ehlo", "front.test"],
    ...["--from", "x@y.test", "--to", "ann@example.org,bob@example.org"],
  ]);
  assert.equal(code, 0, stdout);
  assert.equal(server.stored.length, 2);
  assert.match(server.stored[0]!.prefix, /\r\nReceived: from front\.test \(local\)\r\n\tby .* with LMTP\r/);
});

test("Postfix delivers through lmtp:unix: and keeps only what was refused for now", {
  skip: skipWithoutPostfix,
}, async (t) => {
  const server = await smtpServer(t, {
    mode: "lmtp",
    onSocketFile: true,
    settings: { mailbox: { whenFull: "defer" } },
  });
  server.failures.set("bob@example.org", overQuota);
  const postfix = await startPostfix(t, {
    parameters: { default_transport: `lmtp:unix:${server.socketFile}` },
  });
  const body = "a line\n.\n..two dots\n";
  postfix.send(
    "x@y.test",
    ["ann@example.org", "bob@example.org", "nobody@example.org", "sales@example.org"],
    `Subject: through Postfix\n\n${body}`,
  );
  for (const [to, end] of [
    ["ann@example.org", "status=sent \\(250 2\\.0\\.0 Ok: queued as"],
    ["bob@example.org", "dsn=4\\.2\\.2, status=deferred"],
    ["nobody@example.org", "dsn=5\\.1\\.1, status=bounced"],
    ["sales@example.org", "status=sent"],
  ])
    await postfix.logged(new RegExp(`to=<${to}>.*${end}`));
  assert.deepEqual(
    server.stored.map(({ account }) => account),
    ["ann@example.org"],
    "the alias's other copy is in our queue, since bob's own could not be stored",
  );
  assert.match(server.stored[0]!.content, /a line\r\n\.\r\n\.\.two dots\r\n$/);
});
