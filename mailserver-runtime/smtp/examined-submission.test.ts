import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict } from "../filter/pipeline.ts";
import { letter, submission, submit } from "./submission-for-tests.ts";

/** Engines that say this of every submitted message. */
const saying = (verdict: Partial<Verdict>, seen: string[] = []) => ({
  isAsked: () => true,
  async inspect({ content, account }: { content: { buffer: Buffer | undefined }; account?: string }) {
    seen.push(`${account} ${content.buffer?.toString() ?? ""}`);
    return {
      findings: [],
      score: 0,
      authenticationResults: [],
      action: { kind: "accept" } as const,
      times: {},
      ...verdict,
    };
  },
});

test("an engine looks at a submitted message as it leaves, complete and with its author's account", async (t) => {
  const seen: string[] = [];
  const submittedFilter = saying(
    { changes: [{ kind: "insert-header", at: 0, name: "DKIM-Signature", value: " v=1; of an engine" }] },
    seen,
  );
  const { server, dialogue } = await submission(t, { user: "ann@example.org", submittedFilter });
  assert.match(await submit(dialogue, ["x@elsewhere.test"], letter), /^250 /);
  assert.match(seen[0] ?? "", /^ann@example\.org Date: .*\r\nMessage-ID: .*\r\nFrom: Ann/);
  const [queued] = server.queued;
  assert.match(queued?.content ?? "", /^DKIM-Signature: v=1; of an engine\r\nDate: [^\r]*\r\nMessage-ID: /);
  assert.equal(`${queued?.prefix}${queued?.content}`.match(/^Date:/gim)?.length, 1);
});

for (const [action, expected] of [
  [{ kind: "junk", reason: "spam" }, /^550 5\.7\.1 .*spam/],
  [{ kind: "quarantine", reason: "odd" }, /^550 5\.7\.1/],
  [{ kind: "reject", code: 554, status: "5.7.9", text: "a virus" }, /^554 5\.7\.9 a virus/],
  [{ kind: "tempfail", code: 451, status: "4.7.1", text: "later" }, /^451 4\.7\.1 later/],
] as const)
  test(`a submitted message that engines would ${action.kind} is refused and goes nowhere`, async (t) => {
    const { server, dialogue } = await submission(t, {
      user: "ann@example.org",
      submittedFilter: saying({ action }),
    });
    assert.match(await submit(dialogue, ["x@elsewhere.test", "bob@example.org"], letter), expected);
    assert.equal(server.queued.length + server.stored.length, 0);
  });

test("an engine adds and removes recipients of a submitted message, and changes its sender", async (t) => {
  const submittedFilter = saying({
    changes: [
      { kind: "add-recipient", address: "away@example.org" },
      { kind: "remove-recipient", address: "x@elsewhere.test" },
      { kind: "change-sender", address: "bounce@example.org" },
    ],
  });
  const { server, dialogue } = await submission(t, { user: "ann@example.org", submittedFilter });
  assert.match(await submit(dialogue, ["x@elsewhere.test"], letter), /^250 /);
  assert.deepEqual(
    server.queued.map(({ envelope }) => [envelope.from, envelope.recipients.map(({ address }) => address)]),
    [["bounce@example.org", ["away@elsewhere.test"]]],
  );
});
