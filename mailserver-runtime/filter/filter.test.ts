import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { DkimKey, Snapshot } from "../config/snapshot.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import type { Check } from "./check.ts";
import { createInboundFilter } from "./inbound-filter.ts";
import type { InboundMessage } from "./pipeline.ts";
import { createSigner } from "./signer.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ed25519 = generateKeyPairSync("ed25519");
const resolver = zoneResolver({
  "TXT example.test": ["v=spf1 ip4:192.0.2.1 -all"],
  "TXT _dmarc.example.test": ["v=DMARC1; p=reject"],
  "TXT _dmarc.lenient.test": ["v=DMARC1; p=none"],
  "TXT _dmarc.quarantine.test": ["v=DMARC1; p=quarantine"],
  "TXT r1._domainkey.example.test": [
    `v=DKIM1; k=rsa; p=${rsa.publicKey.export({ type: "spki", format: "der" }).toString("base64")}`,
  ],
  "TXT e1._domainkey.example.test": [
    `v=DKIM1; k=ed25519; p=${ed25519.publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64")}`,
  ],
});

function key(selector: string, algorithm: DkimKey["algorithm"], pem: string, active = true): DkimKey {
  return {
    domain: "example.test",
    selector,
    algorithm,
    active,
    privateKey: async () => pem,
    origin: { file: "stack/dkim", line: 1, owner: "stack" },
  };
}
const keys = [
  key("r1", "rsa-sha256", rsa.privateKey.export({ type: "pkcs8", format: "pem" }) as string),
  key("e1", "ed25519-sha256", ed25519.privateKey.export({ type: "pkcs8", format: "pem" }) as string),
  key("next", "rsa-sha256", rsa.privateKey.export({ type: "pkcs8", format: "pem" }) as string, false),
];
const snapshot = {
  dkimKeys: (domain: string) => (domain === "example.test" ? keys : []),
  domain: () => undefined,
} as unknown as Snapshot;
const signer = createSigner(() => snapshot, silentLog);
const filter = createInboundFilter({ hostname: () => "mx.test", resolver, log: silentLog });

const text = Buffer.from(
  "From: Alice <alice@example.test>\r\nTo: bob@example.net\r\nSubject: hello\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nHello Bob.\r\n",
);
function inbound(bytes: Buffer, overrides: Partial<InboundMessage> = {}): InboundMessage {
  return {
    content: memoryContent(bytes),
    client: { address: "192.0.2.1", port: 40000, secure: true },
    helo: "mail.example.test",
    from: "alice@example.test",
    recipients: ["bob@example.net"],
    receivedAt: new Date(),
    ...overrides,
  };
}

test("a message signed with RSA and Ed25519 keys verifies, and only active keys sign (RFC 6376, RFC 8463)", async () => {
  const signatures = await signer.sign("example.test", Buffer.alloc(0), memoryContent(text));
  const header = signatures.toString();
  assert.equal(header.match(/^DKIM-Signature:/gm)?.length, 2);
  assert.doesNotMatch(header, /s=next/);
  const verdict = await filter.inspect(inbound(Buffer.concat([signatures, text])));
  const results = verdict.authenticationResults.join("; ").replace(/\s+/g, " ");
  assert.match(results, /dkim=pass[^;]*header\.s=r1/);
  assert.match(results, /dkim=pass[^;]*header\.s=e1/);
  assert.match(results, /spf=pass/);
  assert.match(results, /dmarc=pass/);
  assert.deepEqual(verdict.action, { kind: "accept" });
});

test("a subject added after signing breaks the signature, because the field is over-signed (RFC 6376 §8.15)", async () => {
  const signatures = await signer.sign("example.test", Buffer.alloc(0), memoryContent(text));
  const forged = Buffer.concat([signatures, Buffer.from("Subject: you won\r\n"), text]);
  const verdict = await filter.inspect(
    inbound(forged, {
      from: "",
      helo: "relay.test",
      client: { address: "203.0.113.9", port: 1, secure: false },
    }),
  );
  assert.match(verdict.authenticationResults.join("; "), /dkim=fail/);
  assert.equal(verdict.action.kind, "reject");
});

test("a domain without a key gets no signature", async () => {
  assert.equal((await signer.sign("other.test", Buffer.alloc(0), memoryContent(text))).length, 0);
});

for (const [domain, expected] of [
  ["example.test", "reject"],
  ["quarantine.test", "junk"],
  ["lenient.test", "accept"],
  ["nopolicy.test", "accept"],
] as const)
  test(`an unauthenticated message from ${domain} leads to ${expected} (RFC 9989 §5)`, async () => {
    const bytes = Buffer.from(text.toString().replace("alice@example.test", `alice@${domain}`));
    const verdict = await filter.inspect(
      inbound(bytes, {
        from: `alice@${domain}`,
        helo: "evil.test",
        client: { address: "203.0.113.9", port: 1, secure: false },
      }),
    );
    assert.equal(verdict.action.kind, expected);
    if (verdict.action.kind === "reject") {
      assert.equal(verdict.action.code, 550);
      assert.match(verdict.action.text, /DMARC policy of example\.test/);
    }
  });

test("two From fields leave no author domain and are reported, not followed (RFC 9989 §5.3.1)", async () => {
  const bytes = Buffer.concat([Buffer.from("From: bank@lenient.test\r\n"), text]);
  const verdict = await filter.inspect(inbound(bytes));
  assert.ok(verdict.findings.some((finding) => finding.symbol === "DMARC_NA"));
});

test("a check that hangs or throws is a finding and its stated behaviour is followed", async () => {
  const hanging: Check = {
    name: "hanging",
    timeLimit: 20,
    onFailure: "accept",
    run: () => new Promise(() => {}),
  };
  const throwing: Check = {
    name: "throwing",
    timeLimit: 1000,
    onFailure: "tempfail",
    run: async () => {
      throw new Error("no daemon at /run/x.sock");
    },
  };
  const tolerant = createInboundFilter({
    hostname: () => "mx.test",
    resolver,
    log: silentLog,
    checks: [hanging],
  });
  const verdict = await tolerant.inspect(inbound(text));
  assert.deepEqual(verdict.action, { kind: "accept" });
  assert.equal(verdict.findings[0]?.symbol, "HANGING_CHECK_FAILED");
  const insisting = createInboundFilter({
    hostname: () => "mx.test",
    resolver,
    log: silentLog,
    checks: [hanging, throwing],
  });
  const second = await insisting.inspect(inbound(text));
  assert.equal(second.action.kind, "tempfail");
  assert.ok(second.findings.some((finding) => finding.reason.includes("/run/x.sock")));
});

test("hostile bytes never make the filter throw", async () => {
  const pieces = [
    "DKIM-Signature: v=1; a=rsa-sha256; d=\r\n",
    "From: ",
    "\r\n\r\n",
    "\0\xff",
    "ARC-Seal: i=99999999; ",
    ";;=;",
    "<@",
  ];
  let seed = 7;
  const next = (bound: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % bound;
  };
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(
      `${Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join("")}\r\n`,
      "latin1",
    );
    const verdict = await filter.inspect(
      inbound(bytes, { from: next(2) ? "" : "a@b", helo: pieces[next(7)] ?? "" }),
    );
    assert.ok(verdict.findings.length > 0);
  }
});
