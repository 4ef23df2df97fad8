/** OpenDKIM and OpenDMARC themselves, signing and verifying in both directions. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { type TestContext, test } from "node:test";
import { needs, skipWithout } from "../../../../test/support/tools.ts";
import type { DkimKey, Snapshot } from "../../../config/snapshot.ts";
import { directoryWith, serve } from "../../../dns/test-support.ts";
import { zoneResolver } from "../../../dns/zone-for-tests.ts";
import { memoryContent } from "../../../message/content.ts";
import { readHeaders } from "../../../message/headers.ts";
import { silentLog } from "../../../net/log.ts";
import { changedMessage } from "../../changes/changed-message.ts";
import { verifyDkim } from "../../dkim/verify.ts";
import type { Verdict } from "../../pipeline.ts";
import { createSigner } from "../../signer.ts";
import { filterWith, inbound, letter, listens } from "../engine-for-tests.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;
const zone = { "TXT sel._domainkey.example.test": [record] };
const isRoot = process.getuid?.() === 0;

async function openDkim(t: TestContext, mode: "s" | "v", lines: readonly string[] = []): Promise<string> {
  const directory = await directoryWith(t, {
    key: pem,
    "public-keys": `sel._domainkey.example.test ${record}\n`,
  });
  await chmod(`${directory}/key`, 0o600);
  const settings = [
    `Mode ${mode}`,
    `Socket local:${directory}/socket`,
    `PidFile ${directory}/pid`,
    `UserID ${userInfo().username}`,
    "Domain example.test",
    "Selector sel",
    `KeyFile ${directory}/key`,
    `TestPublicKeys ${directory}/public-keys`,
    "Canonicalization relaxed/simple",
    "OversignHeaders From",
    "RequireSafeKeys no",
    "Syslog no",
    ...lines,
  ];
  await writeFile(`${directory}/opendkim.conf`, `${settings.join("\n")}\n`);
  const path = `${directory}/socket`;
  await serve(t, "opendkim", ["-f", "-x", `${directory}/opendkim.conf`], () => listens({ path }));
  return path;
}

const signer = createSigner(
  () =>
    ({
      dkimKeys: (): readonly DkimKey[] => [
        {
          domain: "example.test",
          selector: "sel",
          algorithm: "rsa-sha256",
          active: true,
          privateKey: async () => pem,
          origin: { file: "stack/dkim", line: 1, owner: "stack" },
        },
      ],
    }) as unknown as Snapshot,
  silentLog,
);
async function signedByUs(text: string): Promise<Buffer> {
  const content = memoryContent(Buffer.from(text));
  return Buffer.concat([await signer.sign("example.test", Buffer.alloc(0), content), Buffer.from(text)]);
}
async function asChanged(bytes: Buffer, { changes = [] }: Verdict): Promise<Buffer> {
  const content = memoryContent(bytes);
  return changedMessage({ content, headers: await readHeaders(content) }, changes).content.buffer!;
}

test("OpenDKIM as a milter signs what users submit, and our verification accepts it (RFC 6376)", async (t) => {
  if (!needs(t, "opendkim")) return;
  const address = await openDkim(t, "s", ["InternalHosts 203.0.113.7", "MacroList {auth_type}"]);
  const filter = filterWith([{ type: "milter", address: `unix:${address}` }]);
  const texts = {
    short: letter("signed"),
    "with a folded header": letter("one\r\n two\r\n\tthree"),
    "of 300 KiB": letter("large", "A line of text, and another.\r\n".repeat(10_000)),
    "without a body": letter("empty", ""),
  };
  for (const [name, text] of Object.entries(texts))
    await t.test(`a message ${name}`, async () => {
      const bytes = Buffer.from(text);
      const verdict = await filter.inspect(
        inbound(bytes, {
          account: "alice@example.test",
          client: { address: "203.0.113.7", port: 1, secure: true },
        }),
      );
      assert.equal(verdict.action.kind, "accept", JSON.stringify(verdict.findings));
      const signed = memoryContent(await asChanged(bytes, verdict));
      const results = await verifyDkim(zoneResolver(zone), signed, await readHeaders(signed), Date.now(), {});
      assert.deepEqual(
        results.map(({ result, domain, selector }) => [result, domain, selector]),
        [["pass", "example.test", "sel"]],
        signed.buffer!.toString("latin1", 0, 1500),
      );
    });
});

test("OpenDKIM as a milter verifies what we signed, and a broken signature (RFC 6376)", async (t) => {
  if (!needs(t, "opendkim")) return;
  const address = await openDkim(t, "v", ["AuthservID mx.test", "AlwaysAddARHeader yes"]);
  const filter = filterWith([{ type: "milter", address }]);
  const resultsOf = async (bytes: Buffer) => {
    const verdict = await filter.inspect(inbound(bytes));
    assert.equal(verdict.action.kind, "accept", JSON.stringify(verdict.findings));
    const text = (await asChanged(bytes, verdict)).toString("latin1");
    return /^Authentication-Results: mx\.test;[\s\S]*?\r\n(?![ \t])/m.exec(text)?.[0] ?? text.slice(0, 2000);
  };
  for (const body of ["Hello Bob.\r\n", "A line of text, and another.\r\n".repeat(5000)])
    await t.test(`a message of ${body.length} bytes passes`, async () => {
      assert.match(await resultsOf(await signedByUs(letter("hi", body))), /dkim=pass/);
    });
  await t.test("a changed body fails", async () => {
    const bytes = Buffer.concat([await signedByUs(letter("hi")), Buffer.from("more\r\n")]);
    assert.match(await resultsOf(bytes), /dkim=fail/);
  });
  await t.test("results forged in our name are gone before it writes its own (RFC 8601 §5)", async () => {
    const forged = `Authentication-Results: mx.test; dkim=pass header.d=bank.test\r\n${letter("unsigned")}`;
    const verdict = await filter.inspect(inbound(forged));
    assert.ok(
      verdict.changes?.every((change) => change.kind !== "change-header"),
      JSON.stringify(verdict.changes),
    );
  });
});

test("OpenDMARC hears what OpenDKIM before it wrote, and refuses what only claims to come from a domain with p=reject (RFC 7489)", {
  skip: skipWithout(isRoot, "a name server at port 53 of a network of its own needs root"),
}, async (t) => {
  if (!needs(t, "opendkim", "opendmarc", "knotd", "unshare", "ip")) return;
  const opendkim = await openDkim(t, "v", ["AuthservID mx.test", "AlwaysAddARHeader yes"]);
  const directory = await directoryWith(t, {
    "resolv.conf": "nameserver 127.0.0.1\n",
    "example.test.zone":
      '$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n_dmarc TXT "v=DMARC1; p=reject"\n',
    suffixes: "test\n",
  });
  for (const name of ["run", "db"]) await mkdir(`${directory}/${name}`);
  await writeFile(
    `${directory}/knot.conf`,
    `server:\n  listen: 127.0.0.1@53\n  rundir: ${directory}/run\ndatabase:\n  storage: ${directory}/db\nzone:\n  - domain: example.test\n    storage: ${directory}\n    file: example.test.zone\n`,
  );
  const settings = [
    `Socket local:${directory}/socket`,
    `PidFile ${directory}/pid`,
    `PublicSuffixList ${directory}/suffixes`,
    `UserID ${userInfo().username}`,
    "AuthservID mx.test",
    "TrustedAuthservIDs mx.test",
    "RejectFailures true",
    "Syslog false",
  ];
  await writeFile(`${directory}/opendmarc.conf`, `${settings.join("\n")}\n`);
  // Its resolver asks port 53 of what /etc/resolv.conf names: both are its own here.
  const script = `ip link set lo up; mount --bind ${directory}/resolv.conf /etc/resolv.conf; knotd -c ${directory}/knot.conf & knot=$!; trap 'kill $knot' EXIT; opendmarc -f -c ${directory}/opendmarc.conf & milter=$!; trap 'kill $milter $knot' TERM; wait $milter`;
  const path = `${directory}/socket`;
  await serve(t, "unshare", ["--net", "--mount", "sh", "-c", script], () => listens({ path }));
  const filter = filterWith([
    { type: "milter", name: "opendkim", address: opendkim },
    { type: "milter", name: "opendmarc", address: path },
  ]);
  await t.test("a signed message passes both", async () => {
    const bytes = await signedByUs(letter("hi"));
    const verdict = await filter.inspect(inbound(bytes));
    assert.equal(verdict.action.kind, "accept", JSON.stringify(verdict.findings));
    const text = (await asChanged(bytes, verdict)).toString("latin1");
    assert.match(text, /^Authentication-Results: mx\.test; dmarc=pass/m);
    assert.match(text, /^Authentication-Results: mx\.test;[\s\S]{0,20}dkim=pass/m);
  });
  await t.test("an unsigned one is refused in its words", async () => {
    const { action } = await filter.inspect(inbound(letter("forged")));
    assert.equal(action.kind, "reject");
    assert.match(action.kind === "reject" ? action.text : "", /rejected by DMARC policy for example\.test/);
  });
});
