/** Delivery to servers that others have written: Postfix's smtp-sink, and Postfix itself over STARTTLS. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { test } from "node:test";
import { answers, freePort } from "../../test/support/loopback.ts";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { installed, skipWithout } from "../../test/support/tools.ts";
import { memoryContent } from "../message/content.ts";
import { opportunisticDemand } from "./client/tls-policy.ts";
import { envelope, submission, testQueue, until } from "./queue-for-tests.ts";

const isRoot = process.getuid?.() === 0;

test("smtp-sink counts every message once", {
  skip: skipWithout(installed("smtp-sink"), "smtp-sink is not installed"),
}, async (context) => {
  const port = await freePort();
  const user = isRoot ? ["-u", "nobody"] : [];
  const sink: ChildProcess = spawn("smtp-sink", [...user, "-c", `127.0.0.1:${port}`, "100"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => sink.kill());
  let counted = "";
  sink.stdout?.on("data", (bytes: Buffer) => {
    counted = bytes.toString();
  });
  await until(() => answers(port), "smtp-sink");
  const { queue } = await testQueue(context, port, { timeouts: undefined });
  const content = memoryContent(Buffer.from(`Subject: x\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(57)}`));
  await Promise.all(
    Array.from({ length: 200 }, (_, index) => queue.enqueue(submission(`u${index}@sink.test`, { content }))),
  );
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(queue.counts().delivered, 200);
  await until(() => /mesg=200\b/.test(counted), "smtp-sink's count");
});

test("Postfix takes a message over TLS with all its parameters, and its refusals come back as reports", {
  skip: skipWithoutPostfix,
}, async (context) => {
  const { port } = await startPostfix(context);
  const { queue, reports, clock } = await testQueue(context, port, {
    timeouts: undefined,
    tlsDemand: async () => ({ ...opportunisticDemand, policy: { level: "encrypt" } }),
  });
  const holdUntil = clock.now + 3_600_000;
  const send = (recipients: readonly string[], body: string) =>
    queue.enqueue({
      envelope: envelope("", {
        recipients: recipients.map((address) => ({
          address,
          notify: ["FAILURE" as const],
          orcpt: "rfc822;bob@x.test",
        })),
        smtpUtf8: true,
        ret: "HDRS",
        envid: "E1",
      }),
      prefix: Buffer.alloc(0),
      content: memoryContent(Buffer.from(`From: <ann@here.test>\r\nSubject: ${body}\r\n\r\n.${body}\r\n`)),
      holdUntil,
    });
  const { id } = await send(["bob@sink.test", "nobody@sink.test"], "plain");
  await queue.operator.retry();
  await until(() => queue.counts().messages === 0, "the first");
  assert.equal(reports.length, 1);
  const report = reports[0]?.content.buffer?.toString() ?? "";
  assert.match(report, new RegExp(`X-Queue-Id: ${id}`));
  assert.match(
    report,
    /Final-Recipient: rfc822; nobody@sink\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\nRemote-MTA: dns; mx\.test\r\n/,
  );
  await send(["jürgen@sink.test"], "grüße");
  await queue.operator.retry();
  await until(() => queue.counts().messages === 0, "the second");
  await send(["bob@other.test"], "relay");
  await queue.operator.retry();
  await until(() => reports.length === 2, "the third");
  assert.match(
    reports[1]?.content.buffer?.toString() ?? "",
    /Status: 5\.7\.1[\s\S]*smtp; 554 5\.7\.1[\s\S]*Relay/,
  );
  const { delivered, failed, uncertain } = queue.counts();
  assert.deepEqual({ delivered, failed, uncertain }, { delivered: 2, failed: 2, uncertain: 0 });
});
