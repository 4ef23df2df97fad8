import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import { toMailauthResolver } from "../../dns/mailauth-resolver.ts";
import { zoneResolver } from "../../dns/zone-for-tests.ts";
import { memoryContent } from "../../message/content.ts";
import { readHeaders } from "../../message/headers.ts";
import { type ArcResult, verifyArc } from "./arc.ts";

/** mailauth seals as another host would. */
const { authenticate } = createRequire(import.meta.url)("mailauth") as {
  authenticate(message: string, options: object): Promise<{ headers: string }>;
};
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const record = `v=DKIM1; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;
const zone = {
  "TXT s._domainkey.first.test": [record],
  "TXT s._domainkey.second.test": [record],
  "TXT s._domainkey.third.test": [record],
};
const mail = "From: a@x.test\r\nTo: b@y.test\r\nSubject: sealed\r\n\r\nHello.\r\n";

/** The message with one more set of fields on top. */
async function sealed(message: string, signingDomain: string): Promise<string> {
  const { headers } = await authenticate(message, {
    ip: "192.0.2.1",
    helo: "x.test",
    sender: "a@x.test",
    mta: `mx.${signingDomain}`,
    resolver: toMailauthResolver(zoneResolver(zone)),
    seal: { signingDomain, selector: "s", privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) },
  });
  return headers + message;
}
async function verified(
  message: string,
  records: typeof zone | Record<string, "tempfail"> = zone,
): Promise<ArcResult> {
  const content = memoryContent(Buffer.from(message));
  return verifyArc(zoneResolver(records), content, await readHeaders(content), Date.now());
}
const one = await sealed(mail, "first.test");
const three = await sealed(await sealed(one, "second.test"), "third.test");

test("chains of one and of three sets that another program sealed pass (RFC 8617 §5.2)", async () => {
  assert.equal((await verified(mail)).result, "none");
  assert.deepEqual(await verified(one), { result: "pass", sets: 1, sealer: "first.test", reason: undefined });
  assert.deepEqual(await verified(three), {
    result: "pass",
    sets: 3,
    sealer: "third.test",
    reason: undefined,
  });
});

const damages: readonly (readonly [what: string, change: (message: string) => string, reason: RegExp])[] = [
  ["the body changed", (message) => message.replace("Hello", "Hallo"), /signature 3: body hash/],
  [
    "a signed field changed",
    (message) => message.replace("Subject: sealed", "Subject: other"),
    /signature 3/,
  ],
  [
    "an older set changed",
    (message) => message.replace(/(ARC-Authentication-Results: i=1;)/, "$1 forged;"),
    /seal \d did not/,
  ],
  [
    "an older seal says that it failed",
    (message) => message.replace(/(ARC-Seal: i=2;[\s\S]*?cv=)pass/, "$1fail"),
    /seal 2 says cv=fail/,
  ],
  [
    "the first seal claims a chain before it",
    (message) => message.replace(/(ARC-Seal: i=1;[\s\S]*?cv=)none/, "$1pass"),
    /seal 1 says/,
  ],
  [
    "a set is gone",
    (message) => message.replace(/ARC-Seal: i=2;[\s\S]*?\r\n(?=\S)/, ""),
    /set 2 is not whole/,
  ],
  ["a field stands twice", (message) => `ARC-Authentication-Results: i=3; x\r\n${message}`, /twice/],
  ["an instance is beyond fifty", (message) => message.replaceAll("i=3", "i=51"), /instance/],
  ["a seal says what it signs", (message) => message.replace(/(ARC-Seal: i=3;)/, "$1 h=from;"), /h=/],
];
for (const [what, change, reason] of damages)
  test(`the chain fails when ${what} (RFC 8617 §4.2.1, §5.2)`, async () => {
    const message = change(three);
    assert.notEqual(message, three);
    const result = await verified(message);
    assert.equal(result.result, "fail");
    assert.match(result.reason ?? "", reason);
  });

test("a key that cannot be asked for is a temperror", async () => {
  assert.equal((await verified(one, { "TXT s._domainkey.first.test": "tempfail" })).result, "temperror");
});
