/** NOTIFY=SUCCESS (RFC 3461) at reception and submission, read by others' clients' eyes: the report is a message like any other. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { InboundFilter } from "../filter/pipeline.ts";
import type { QueueSubmission } from "../queue/queue.ts";
import { type FixtureOptions, greeted, smtpServer } from "./testing.ts";

async function reports(
  t: TestContext,
  recipients: readonly string[],
  options: FixtureOptions & { from?: string } = {},
) {
  const { from = "x@y.test", ...fixture } = options;
  const told: { submission: QueueSubmission; text: string }[] = [];
  const server = await smtpServer(t, {
    reenter: async (submission) => {
      told.push({ submission, text: submission.content.buffer?.toString() ?? "" });
    },
    ...fixture,
  });
  const dialogue = await greeted(t, server.port);
  assert.match(await dialogue.say(`MAIL FROM:<${from}> RET=FULL ENVID=letter+2B7`), /^250/);
  for (const recipient of recipients) assert.match(await dialogue.say(`RCPT TO:${recipient}`), /^250/);
  await dialogue.say("DATA");
  dialogue.send("Subject: important\r\n\r\nsecret body\r\n.\r\n");
  assert.match(await dialogue.hear(), /^250/);
  return { server, told };
}
const success = "NOTIFY=SUCCESS,FAILURE";

test("a stored message is reported as delivered to who asked, under the address they wrote to (RFC 3461 §6)", async (t) => {
  const { told } = await reports(t, [
    `<ann@example.org> ${success} ORCPT=rfc822;Ann+2Bx@example.org`,
    "<bob@example.org>",
    "<carol@example.net> NOTIFY=FAILURE",
  ]);
  assert.equal(told.length, 1);
  const [{ submission, text }] = told as [(typeof told)[0]];
  assert.equal(submission.envelope.from, "");
  assert.deepEqual(submission.envelope.recipients, [{ address: "x@y.test", notify: ["NEVER"] }]);
  assert.match(text, /\r\nOriginal-Envelope-Id: letter\+7\r\n/);
  assert.match(
    text,
    /\r\nOriginal-Recipient: rfc822; Ann\+x@example\.org\r\nFinal-Recipient: rfc822; ann@example\.org\r\nAction: delivered\r\nStatus: 2\.0\.0\r\n/,
  );
  assert.match(text, /Subject: important/);
  assert.doesNotMatch(text, /secret body|bob@|carol@/, "RET=FULL is for failures (RFC 3461 §4.3)");
});

test("an alias of several is expanded, and SUCCESS goes along with none of its copies (RFC 3461 §5.2.7.3)", async (t) => {
  const { server, told } = await reports(t, [`<both@example.org> ${success}`]);
  assert.match(told[0]!.text, /Final-Recipient: rfc822; both@example\.org\r\nAction: expanded\r\n/);
  assert.doesNotMatch(told[0]!.text, /elsewhere\.test|ann@example/);
  assert.deepEqual(server.queued[0]?.envelope.recipients, [
    { address: "both@elsewhere.test", notify: ["FAILURE"] },
  ]);
  const only = await reports(t, ["<both@example.org> NOTIFY=SUCCESS"]);
  assert.deepEqual(only.server.queued[0]?.envelope.recipients[0]?.notify, ["NEVER"]);
});

test("an alias of one passes the request on and is not reported here (RFC 3461 §5.2.7.2)", async (t) => {
  const { server, told } = await reports(t, [`<away@example.org> ${success}`]);
  assert.deepEqual(told, []);
  assert.deepEqual(server.queued[0]?.envelope.recipients[0]?.notify, ["SUCCESS", "FAILURE"]);
});

test("nothing is reported to the null reverse-path, nor about junk", async (t) => {
  const from = await reports(t, [`<ann@example.org> ${success}`], { from: "" });
  assert.deepEqual(from.told, []);
  const filter: InboundFilter = {
    inspect: async () => ({
      findings: [],
      score: 9,
      authenticationResults: [],
      action: { kind: "junk", reason: "spam" },
      times: {},
    }),
  };
  assert.deepEqual((await reports(t, [`<ann@example.org> ${success}`], { filter })).told, []);
});

test("a report that cannot be sent costs the message nothing", async (t) => {
  const { server } = await reports(t, [`<ann@example.org> ${success}`], {
    reenter: () => Promise.reject(new Error("no queue")),
  });
  assert.equal(server.stored.length, 1);
  assert.ok(server.logged.some(({ event }) => event === "report-failed"));
});
