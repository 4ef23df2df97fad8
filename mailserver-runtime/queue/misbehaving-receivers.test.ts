/** Postfix' smtp-sink as a receiver that refuses, breaks off or dawdles at each stage of a transaction. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { freePort } from "../../test/support/loopback.ts";
import { needs } from "../../test/support/tools.ts";
import { submission, testQueue, until } from "./queue-for-tests.ts";

/** Resolves when it listens; with "-q connect" and the like it says nothing, so that a connection has to do. */
async function sink(context: TestContext, ...options: string[]): Promise<number> {
  const port = await freePort();
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child = spawn("smtp-sink", [...user, ...options, `127.0.0.1:${port}`, "100"], { stdio: "ignore" });
  context.after(() => child.kill());
  await until(
    () =>
      new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1", () => {
          socket.destroy();
          resolve(true);
        }).once("error", () => resolve(false));
      }),
    "smtp-sink",
  );
  return port;
}

/** What smtp-sink does to which command, and what becomes of the message. */
const stages: readonly (readonly [options: string, becomes: "waits" | "fails", status: RegExp])[] = [
  ["-r connect", "waits", /^4\.\d/],
  ["-r mail", "waits", /^4\.\d/],
  ["-r rcpt", "waits", /^4\.\d/],
  ["-r data", "waits", /^4\.\d/],
  ["-r .", "waits", /^4\.\d/],
  ["-f mail", "fails", /^5\.\d/],
  ["-f rcpt", "fails", /^5\.\d/],
  ["-f data", "fails", /^5\.\d/],
  ["-f .", "fails", /^5\.\d/],
  ["-q connect", "waits", /^4\.4\.[12]/],
  ["-q ehlo", "waits", /^4\.4\.[12]/],
  ["-q mail", "waits", /^4\.4\.2/],
  ["-q rcpt", "waits", /^4\.4\.2/],
  ["-q data", "waits", /^4\.4\.2/],
  ["-q .", "waits", /^4\.4\.2/],
  ["-Q connect", "waits", /^4\.\d/],
  ["-Q mail", "waits", /^4\.\d/],
  ["-Q rcpt", "waits", /^4\.\d/],
  ["-Q data", "waits", /^4\.\d/],
  ["-Q .", "waits", /^4\.\d/],
];
for (const [options, becomes, status] of stages)
  test(`a message to "smtp-sink ${options}" ${becomes}`, async (context) => {
    if (!needs(context, "smtp-sink")) return;
    const port = await sink(context, ...options.split(" "));
    const { queue, reports } = await testQueue(context, port, { timeouts: undefined });
    const { id } = await queue.enqueue(submission("bob@sink.test"));
    if (becomes === "fails") {
      await until(() => reports.length === 1, "the report");
      const report = reports[0]?.content.buffer?.toString() ?? "";
      assert.match(/^Status: (.*)\r$/m.exec(report)?.[1] ?? "", status);
      return;
    }
    await until(async () => (await queue.operator.show(id))?.attempts === 1, "the first attempt");
    const line = (await queue.operator.show(id))?.transcript[0] ?? "";
    assert.match(/ temporary (\S+): /.exec(line)?.[1] ?? "", status, line);
    assert.equal(reports.length, 0);
    assert.equal(queue.counts().uncertain, options === "-q ." ? 1 : 0);
  });

test("a server that has only HELO, answers in pieces and takes its time gets the message all the same", async (context) => {
  if (!needs(context, "smtp-sink")) return;
  const port = await sink(context, "-e", "-p", "-w", "1");
  const { queue } = await testQueue(context, port, { timeouts: undefined });
  await queue.enqueue(submission(["bob@sink.test", "eve@sink.test"]));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(queue.counts().delivered, 2);
});
