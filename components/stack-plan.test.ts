import assert from "node:assert/strict";
import { test } from "node:test";
import { settingsSchema } from "../mailserver-runtime/settings/schema.ts";
import type { MailStackArgs } from "./mail-stack-args.ts";
import { StackMistakes } from "./mistakes.ts";
import { planStack } from "./stack-plan.ts";

const host = { type: "local" } as const;

function mistakes(args: Omit<MailStackArgs, "host">): Record<string, string> {
  try {
    planStack({ host, ...args });
  } catch (error) {
    assert.ok(error instanceof StackMistakes, String(error));
    return Object.fromEntries(error.mistakes.map(({ where, what }) => [where, what]));
  }
  return {};
}

test("one domain is enough for a plan, and its settings fit the schema", () => {
  const plan = planStack({ host, domains: ["example.org"] });
  assert.equal(plan.hostname, "mail.example.org");
  const settings = settingsSchema.parse(plan.settings);
  assert.equal(settings.hostname, "mail.example.org");
  assert.deepEqual(settings.dns.servers, [`127.0.0.1:${plan.ports.dns}`]);
  assert.equal(settings.delivery.port, plan.ports.smtp);
});

test("the local host listens on loopback alone and on no port that needs root", () => {
  const plan = planStack({ host, domains: ["example.org"] });
  for (const listener of plan.listeners) {
    assert.equal(listener.address, "127.0.0.1");
    assert.ok(listener.port >= 1024);
  }
  assert.deepEqual(
    plan.endpoints.map(({ service, security }) => [service, security]),
    [
      ["smtp", "starttls"],
      ["submission", "starttls"],
      ["submissions", "tls"],
      ["imap", "starttls"],
      ["imaps", "tls"],
      ["http", "none"],
      ["https", "tls"],
    ],
  );
});

test("every domain has a current and a next DKIM key from the first plan (RFC 6376 §3.1)", () => {
  const { domains } = planStack({
    host,
    domains: [
      "example.org",
      { name: "example.net", dkim: { algorithms: ["ed25519"], current: "b", next: "a" } },
    ],
  });
  assert.deepEqual(
    domains.map(({ keys: { algorithms, first } }) => [...algorithms, first.current, first.next]),
    [
      ["rsa-2048", "mk1", "mk2"],
      ["ed25519", "b", "a"],
    ],
  );
});

test("names are kept in one spelling: lower case, domains as a-labels", () => {
  const plan = planStack({
    host,
    domains: ["BÜCHER.example"],
    mailboxes: ["Anna@Bücher.Example"],
    aliases: { "@bücher.example": "ANNA@xn--bcher-kva.example" },
  });
  assert.equal(plan.mailboxes[0]?.address, "anna@xn--bcher-kva.example");
  assert.deepEqual(plan.aliases[0], {
    address: "@xn--bcher-kva.example",
    domain: "xn--bcher-kva.example",
    targets: ["anna@xn--bcher-kva.example"],
  });
});

test("banning is the server's default until it is declared, and loopback stays exempt beside what is declared", () => {
  assert.equal(planStack({ host, domains: ["example.org"] }).settings.ban, undefined);
  const { settings } = planStack({
    host,
    domains: ["example.org"],
    banning: { maxRetry: 3, neverBanned: ["192.0.2.0/24", "2001:db8::1"] },
  });
  assert.deepEqual(settings.ban, {
    maxRetry: 3,
    neverBanned: ["127.0.0.0/8", "::1", "192.0.2.0/24", "2001:db8::1"],
  });
  assert.equal(settingsSchema.parse(settings).ban.maxRetry, 3);
  const wrong = mistakes({
    domains: ["example.org"],
    banning: { neverBanned: ["::1", "office.example.org", "192.0.2.0/40"] },
  });
  assert.deepEqual(Object.keys(wrong), ["banning.neverBanned[1]", "banning.neverBanned[2]"]);
  assert.match(wrong["banning.neverBanned[1]"]!, /"office.example.org" is no IP address and no network/);
});

test("ports move together by their base or one by one", () => {
  const { ports } = planStack({
    host,
    domains: ["example.org"],
    server: { portBase: 30_000, ports: { imap: 1143 } },
  });
  assert.deepEqual(ports, {
    smtp: 30_025,
    submission: 30_587,
    submissions: 30_465,
    imap: 1143,
    imaps: 30_993,
    http: 30_080,
    https: 30_443,
    dns: 30_053,
  });
});

test("report addresses of one's own domains are read as such, others are not ours to read", () => {
  const reports = {
    dmarc: { policy: "reject", rua: ["mailto:Reports@example.org", "in@elsewhere.example"] },
  } as const;
  const { settings } = planStack({
    host,
    domains: [
      { name: "example.org", ...reports, tlsRpt: { rua: ["https://example.org/tls", "tls@example.org"] } },
      "example.net",
    ],
  });
  assert.deepEqual(settings.reports, { addresses: ["reports@example.org", "tls@example.org"] });
  assert.equal(planStack({ host, domains: ["example.org"] }).settings.reports, undefined);
});

test("sizes are bytes or carry a unit", () => {
  const { mailboxes, settings } = planStack({
    host,
    domains: ["example.org"],
    mailboxes: [{ address: "a@example.org", quota: "2G" }],
    server: { messageSizeLimit: "25M" },
  });
  assert.equal(mailboxes[0]?.quotaBytes, 2 * 1024 ** 3);
  assert.equal(settings.message?.sizeLimit, 25 * 1024 ** 2);
  assert.match(
    mistakes({ domains: ["example.org"], mailboxes: [{ address: "a@example.org", quota: "much" }] })[
      "mailboxes[0].quota"
    ]!,
    /"much" is no size/,
  );
});

test("an invalid domain is named with its place and the rule", () => {
  const found = mistakes({ domains: ["example.org", "under_score.example", "localhost", ""] });
  assert.deepEqual(Object.keys(found), ["domains[1]", "domains[2]", "domains[3]"]);
  assert.match(found["domains[2]"]!, /at least two labels/);
});

test("a domain that is declared twice is told, whatever its spelling", () => {
  const found = mistakes({ domains: ["example.org", { name: "EXAMPLE.org." }] });
  assert.deepEqual(found, {
    "domains[1].name": '"EXAMPLE.org." is declared twice; domains[0] is the same domain',
  });
});

test("a stack without a domain says so", () => {
  assert.match(mistakes({ domains: [] }).domains!, /at least one domain/);
});

test("a mailbox in an undeclared domain is told which domain to add", () => {
  const found = mistakes({ domains: ["example.org"], mailboxes: ["anna@example.net"] });
  assert.match(found["mailboxes[0]"]!, /is in example\.net, which is not declared: add it to domains/);
});

test("an alias that is a mailbox too is told with both places", () => {
  const found = mistakes({
    domains: ["example.org"],
    mailboxes: ["anna@example.org"],
    aliases: { "Anna@example.org": "ben@example.net" },
  });
  assert.match(found['aliases["Anna@example.org"]']!, /is a mailbox too \(mailboxes\[0\]\)/);
});

test("an alias for itself and an alias without a target are mistakes", () => {
  const found = mistakes({
    domains: ["example.org"],
    aliases: { "a@example.org": ["a@example.org"], "b@example.org": [] },
  });
  assert.match(found['aliases["a@example.org"][0]']!, /stands for itself/);
  assert.match(found['aliases["b@example.org"]']!, /has no target/);
});

test("a password for nobody, an empty one, and one beside a hash are mistakes; no value is shown", () => {
  const found = mistakes({
    domains: ["example.org"],
    mailboxes: ["anna@example.org", "ben@example.org"],
    passwords: { "ann@example.org": "hunter2", "anna@example.org": "", "ben@example.org": "hunter2" },
    passwordHashes: { "ben@example.org": "{PLAIN}hunter2" },
  });
  assert.match(found['passwords["ann@example.org"]']!, /no declared mailbox/);
  assert.match(found['passwords["anna@example.org"]']!, /is empty/);
  assert.match(found['passwordHashes["ben@example.org"]']!, /beside a password/);
  assert.ok(!JSON.stringify(found).includes("hunter2"));
});

test("two services on one port, and ports for root alone, are mistakes", () => {
  assert.match(
    mistakes({ domains: ["example.org"], server: { ports: { imap: 20_025 } } })["server.ports.imap"]!,
    /gives port 20025 to imap and to smtp/,
  );
  assert.match(
    mistakes({ domains: ["example.org"], server: { portBase: 0 } })["server.portBase"]!,
    /without root/,
  );
});

test("the next DKIM selector is another one than the current", () => {
  const found = mistakes({ domains: [{ name: "example.org", dkim: { current: "x", next: "x" } }] });
  assert.ok(found["domains[0].dkim.next"]);
});

test("all mistakes are told at once", () => {
  const found = mistakes({ domains: ["a", "b"], mailboxes: ["c"], aliases: { d: "e" } });
  assert.ok(Object.keys(found).length >= 4);
});

test("relays get their defaults from the port, and say whose mail they take", () => {
  const { relays } = planStack({
    host,
    domains: ["example.org"],
    relays: [
      { type: "smarthost", name: "rest", host: "Relay.example" },
      {
        type: "smarthost",
        name: "tls",
        host: "tls.example",
        port: 465,
        username: "u",
        for: { senders: ["Ann@example.org"] },
      },
      { type: "direct", name: "near", for: { recipientDomains: ["near.example"] } },
    ],
    relayPasswords: { tls: "secret" },
  });
  const none = { recipientDomains: [], senders: [], senderDomains: [] };
  assert.deepEqual(relays, [
    {
      name: "rest",
      relay: { host: "relay.example", port: 587, tls: "starttls", lookupMx: false, username: undefined },
      match: none,
    },
    {
      name: "tls",
      relay: { host: "tls.example", port: 465, tls: "implicit", lookupMx: false, username: "u" },
      match: { ...none, senders: ["ann@example.org"] },
    },
    { name: "near", relay: undefined, match: { ...none, recipientDomains: ["near.example"] } },
  ]);
});

test("mistakes in the mail flow are named with their place before anything is planned", () => {
  const found = mistakes({
    domains: ["example.org", { name: "alias.example", aliasOf: "gone.example" }],
    relays: [
      { type: "smarthost", name: "a", host: "r.example", username: "u" },
      { type: "smarthost", name: "a", host: "r.example", tls: "opportunistic", username: "u" },
      { type: "direct", name: "c", for: {} },
    ],
    relayPasswords: { d: "secret" },
    backups: ["example.org", { domain: "b.example", recipients: ["x@other.example"] }],
    copies: [{ sender: "a@example.org", recipient: "b@example.org", to: "nobody" }],
  });
  assert.match(found["relays[0].username"] ?? "", /has no password; set it: pulumi config set --secret/);
  assert.match(found["relays[1].name"] ?? "", /is the name of relays\[0\]/);
  assert.match(found["relays[1].for"] ?? "", /speaks of everything else, and so does relays\[0\]/);
  assert.match(found["relays[1].tls"] ?? "", /checked TLS only/);
  assert.match(found["relays[2].for"] ?? "", /names nobody/);
  assert.match(found['relayPasswords["d"]'] ?? "", /no declared relay/);
  assert.match(found["backups[0]"] ?? "", /one of the stack's own domains/);
  assert.match(found["backups[1].recipients[0]"] ?? "", /is not in b\.example/);
  assert.match(found["copies[0]"] ?? "", /a sender and a recipient/);
  assert.match(found["copies[0].to"] ?? "", /has no @/);
  assert.match(found["domains[1].aliasOf"] ?? "", /is not declared/);
});

test("what accounts may send and how mail leaves become settings that fit the schema", () => {
  const { settings } = planStack({
    domains: ["green.test"],
    mailboxes: ["Anna@green.test"],
    host: { type: "local" },
    relays: [
      { type: "smarthost", name: "provider", host: "relay.example", for: { senders: ["x@green.test"] } },
    ],
    sending: {
      limits: { messagesPerHour: 100, messageSize: "2M" },
      accountLimits: { "ANNA@green.test": { messagesPerDay: 0 } },
      futureReleaseSeconds: 0,
    },
    delivery: {
      connections: 5,
      destinations: { "Bücher.example": { messagesPerHour: 10 } },
      addresses: ["192.0.2.1"],
      ipv6: "never",
      warmUp: { messagesPerDay: 50, relay: "provider" },
      retrySeconds: [60, 600],
      lifetimeSeconds: 3600,
      tls: { dane: false, authorities: "/etc/ca.pem" },
    },
    banning: { nftables: "never", sharedDirectory: "/mnt/bans" },
  });
  const { submission, delivery, ban } = settingsSchema.parse(settings);
  assert.equal(submission.limits.messagesPerHour, 100);
  assert.equal(submission.limits.messageBytes, 2 * 1024 ** 2);
  assert.deepEqual(submission.accountLimits, { "anna@green.test": { messagesPerDay: 0 } });
  assert.equal(submission.futureReleaseSeconds, 0);
  assert.equal(submission.hostedDomains, "mx", "what a closed net needs stays");
  assert.deepEqual(delivery.destinations, { "xn--bcher-kva.example": { messagesPerHour: 10 } });
  assert.deepEqual(delivery.retrySeconds, [60, 600]);
  assert.deepEqual(
    [delivery.connections, delivery.ipv6, delivery.lifetimeSeconds, delivery.warmUp.relay, delivery.tls.dane],
    [5, "never", 3600, "provider", false],
  );
  assert.deepEqual([ban.nftables, ban.sharedDirectory], ["never", "/mnt/bans"]);
});

test("mistakes in what accounts may send and how mail leaves are named with their place", () => {
  const args: MailStackArgs = {
    domains: ["green.test"],
    mailboxes: ["anna@green.test"],
    host: { type: "local" },
    relays: [{ type: "direct", name: "none", for: { senders: ["x@green.test"] } }],
    sending: {
      limits: { messagesPerHour: -1, messageSize: "much" },
      accountLimits: { "ben@green.test": {}, nobody: {} },
    },
    delivery: {
      connections: 0,
      destinations: { "two words": { messagesPerHour: 1.5 } },
      addresses: ["here"],
      warmUp: { messagesPerDay: 50, relay: "none", growth: 0 },
      retrySeconds: [],
      lifetimeSeconds: 5,
      tls: { authorities: "ca.pem" },
    },
    server: { queueLifetimeSeconds: 3600 },
  };
  let told = "";
  try {
    planStack(args);
  } catch (error) {
    told = (error as Error).message;
  }
  for (const expected of [
    /^sending\.limits\.messagesPerHour: -1 is no whole number of 0 or more/m,
    /^sending\.limits\.messageSize: "much" is no size like 25M/m,
    /^sending\.accountLimits\["ben@green\.test"\]: is no declared mailbox/m,
    /^sending\.accountLimits\["nobody"\]: /m,
    /^delivery\.connections: 0 is no whole number from 1 to 100/m,
    /^delivery\.destinations\["two words"\]: /m,
    /^delivery\.addresses\[0\]: "here" is no IP address/m,
    /^delivery\.warmUp\.relay: "none" sends directly/m,
    /^delivery\.warmUp\.growth: 0 is not from 1 to 10/m,
    /^delivery\.retrySeconds: is empty/m,
    /^delivery\.lifetimeSeconds: stands in server, too/m,
    /^delivery\.lifetimeSeconds: 5 is no whole number of 60 or more/m,
    /^delivery\.tls\.authorities: "ca\.pem" is no absolute path/m,
  ])
    assert.match(told, expected);
});

test("an alias domain, backups, copies and forwarding become an alias and settings", () => {
  const plan = planStack({
    host,
    domains: ["example.org", { name: "alias.example", aliasOf: "example.org" }],
    backups: ["b.example", { domain: "c.example", recipients: ["X@c.example"], lifetimeSeconds: 100 }],
    copies: [{ to: "journal@example.org" }, { sender: "@example.org", to: "boss@example.org" }],
    server: { recipientDelimiter: "-", forwarding: { rewriteSenders: false } },
  });
  assert.deepEqual(plan.aliases, [
    { address: "@alias.example", domain: "alias.example", targets: ["@example.org"] },
  ]);
  const settings = settingsSchema.parse(plan.settings);
  assert.deepEqual(settings.backup, [
    { domain: "b.example", recipients: [], lifetimeSeconds: 2_592_000 },
    { domain: "c.example", recipients: ["x@c.example"], lifetimeSeconds: 100 },
  ]);
  assert.deepEqual(settings.copies, [
    { to: "journal@example.org" },
    { to: "boss@example.org", sender: "@example.org" },
  ]);
  assert.equal(settings.srs.enabled, false);
  assert.equal(settings.routing.recipientDelimiter, "-");
});
