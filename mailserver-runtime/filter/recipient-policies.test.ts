import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import type { Check } from "./check.ts";
import { createInboundFilter } from "./inbound-filter.ts";
import type { Verdict } from "./pipeline.ts";
import { type PolicySettings, RecipientPolicies } from "./recipient-policies.ts";

const resolver = zoneResolver({ "TXT friend.test": ["v=spf1 ip4:192.0.2.1 -all"] });
const scoring = (score: number): Check => ({
  name: "given",
  timeLimit: 1000,
  onFailure: "accept",
  run: async () => ({ findings: [{ check: "given", symbol: "GIVEN", score, reason: "given" }] }),
});
const virus: Check = {
  name: "virus",
  timeLimit: 1000,
  onFailure: "accept",
  run: async () => ({ findings: [], advice: { kind: "reject", status: "5.7.1", text: "a virus" } }),
};
interface Sent {
  readonly score: number;
  readonly policy: Partial<PolicySettings>;
  readonly from?: string;
  readonly client?: string;
  readonly recipients?: readonly string[];
  readonly checks?: readonly Check[];
}
function judged(sent: Sent): Promise<Verdict> {
  const { from = "ann@friend.test", client = "192.0.2.1", recipients = ["bob@example.org"] } = sent;
  const filter = createInboundFilter({
    hostname: () => "mx.test",
    resolver,
    log: silentLog,
    checks: [scoring(sent.score), ...(sent.checks ?? [])],
    policy: () => ({ junkScore: 6, rejectScore: 11, ...sent.policy }),
  });
  return filter.inspect({
    content: memoryContent(Buffer.from(`From: ${from}\r\n\r\nhello\r\n`)),
    client: { address: client, port: 1, secure: true },
    helo: "mail.friend.test",
    from,
    recipients,
    receivedAt: new Date(),
  });
}
const kinds = ({ action, each }: Verdict) => each?.map((one) => one.action.kind) ?? [action.kind];

test("an address's policy is laid over its domain's, and that over everybody's; a detail does not matter", () => {
  const policies = new RecipientPolicies({
    junkScore: 6,
    rejectScore: 11,
    overrides: [
      { for: "example.org", junkScore: 3 },
      { for: "Bob@example.org", rejectScore: 5 },
    ],
  });
  const of = (address: string) => {
    const { junkScore, rejectScore } = policies.of(address).policy;
    return [junkScore, rejectScore];
  };
  assert.deepEqual(of("ann@example.net"), [6, 11]);
  assert.deepEqual(of("ann@example.org"), [3, 11]);
  assert.deepEqual(of("bob+list@Example.org"), [3, 5]);
});

test("each recipient's policy decides by itself about one score (D8)", async () => {
  const overrides = [
    { for: "strict@example.org", rejectScore: 5 },
    { for: "example.net", junkScore: 9 },
    { for: "watched@example.org", quarantineScore: 6 },
  ];
  const recipients = ["bob@example.org", "strict@example.org", "x@example.net", "watched@example.org"];
  const verdict = await judged({ score: 7, policy: { overrides }, recipients });
  assert.deepEqual(kinds(verdict), ["junk", "reject", "accept", "quarantine"]);
});

test("SPAMASSASSIN_SPAM_TO_INBOX=0 refuses what would be junk", async () => {
  assert.deepEqual(kinds(await judged({ score: 7, policy: { deliverJunk: false } })), ["reject"]);
  assert.deepEqual(kinds(await judged({ score: 5, policy: { deliverJunk: false } })), ["accept"]);
});

for (const [entry, from, client, kind] of [
  ["friend.test", "ann@friend.test", "192.0.2.1", "accept"],
  ["ann@friend.test", "ann@friend.test", "192.0.2.1", "accept"],
  [".test", "ann@friend.test", "192.0.2.1", "accept"],
  ["friend.test", "ann@friend.test", "203.0.113.7", "reject"],
  ["nowhere.test", "ann@nowhere.test", "192.0.2.1", "reject"],
  ["203.0.113.0/24", "ann@friend.test", "203.0.113.7", "accept"],
  ["2001:db8::/32", "ann@friend.test", "2001:db8::1", "accept"],
] as const)
  test(`an allow list with ${entry} means ${kind} for ${from} from ${client}: names count when they are proven`, async () => {
    assert.deepEqual(kinds(await judged({ score: 50, policy: { allow: [entry] }, from, client })), [kind]);
  });

test("a block list needs no proof, its neighbour's domain is not on it, and the nearest list is asked first", async () => {
  const block = ["friend.test"];
  const refused = await judged({ score: 0, policy: { block }, client: "203.0.113.7" });
  assert.deepEqual(kinds(refused), ["reject"]);
  assert.deepEqual(kinds(await judged({ score: 0, policy: { block }, from: "x@a.friend.test" })), ["accept"]);
  const overrides = [{ for: "bob@example.org", allow: ["ann@friend.test"] }];
  const recipients = ["bob@example.org", "carol@example.org"];
  const verdict = await judged({ score: 0, policy: { block, overrides }, recipients });
  assert.deepEqual(kinds(verdict), ["accept", "reject"]);
});

test("an allow list does not let a virus through", async () => {
  const verdict = await judged({ score: 0, policy: { allow: ["friend.test"] }, checks: [virus] });
  assert.deepEqual(kinds(verdict), ["reject"]);
});
