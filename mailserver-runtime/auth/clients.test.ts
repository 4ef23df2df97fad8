/** Real clients with every SASL mechanism, over IMAP and at submission: gsasl, mbsync and curl. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run } from "../../test/support/tools.ts";
import type { Account, Snapshot } from "../config/snapshot.ts";
import { MemoryStore } from "../imap/test/memory-store.ts";
import { startTestServer } from "../imap/test/server.ts";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { smtpServer } from "../smtp/testing.ts";
import { createAuthenticator } from "./account-authenticator.ts";
import { checkPassword, makeHash } from "./password/schemes.ts";
import type { SaslContext } from "./sasl.ts";
import { createSaslOffer } from "./sasl-offer.ts";
import { createTokenVerifier } from "./token-verifier.ts";

const ANN = "ann@example.org";

/** An issuer whose userinfo knows one token. */
async function issuer(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    const isGood = request.headers.authorization === "Bearer good-token";
    response.writeHead(isGood ? 200 : 401).end(JSON.stringify(isGood ? { email: ANN } : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/userinfo`;
}

/** Accounts with SCRAM keys and an issuer; `hidden` is a mechanism that is not told, for clients that choose by themselves. */
async function sasl(t: TestContext, hidden?: string) {
  const account = {
    address: ANN,
    enabled: true,
    passwordHash: makeHash("secret", "SCRAM-SHA-256"),
  } as unknown as Account;
  const snapshot = {
    account: (address: string) => (address === ANN ? account : undefined),
    accounts: () => [account],
  } as unknown as Snapshot;
  const oauth2 = settingsSchema.shape.oauth2.parse({ enabled: true, introspectionUrl: await issuer(t) });
  const offer = createSaslOffer({
    snapshot: () => snapshot,
    secret: Buffer.alloc(32),
    takesTokens: () => true,
  });
  return {
    sasl: {
      ...offer,
      names: (context: SaslContext) => offer.names(context).filter((name) => name !== hidden),
    },
    authenticator: createAuthenticator({
      snapshot: () => snapshot,
      verifyPassword: async (password, hash) => checkPassword(password, hash),
      tokens: createTokenVerifier({ settings: () => oauth2, log: silentLog }),
      log: silentLog,
    }),
  };
}

async function imap(t: TestContext, implicitTls: boolean, hidden?: string) {
  const server = await startTestServer(new MemoryStore(), { ...(await sasl(t, hidden)), implicitTls });
  t.after(() => server.close());
  return server;
}

const gsasl = (port: number, protocol: "imap" | "smtp", mechanism: string, password = "secret") =>
  run(
    "gsasl",
    [
      `--${protocol}`,
      "--starttls",
      "--x509-ca-file=",
      "--no-client-first",
      // With a binding at hand it would say that we offered none, and be right to be refused.
      ...(mechanism.endsWith("-PLUS") ? [] : ["--no-cb"]),
      `--mechanism=${mechanism}`,
      `--authentication-id=${ANN}`,
      "--authorization-id=",
      `--password=${password}`,
      `--connect=127.0.0.1:${port}`,
    ],
    { input: "", timeoutMs: 20_000 },
  );

for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"]) {
  test(`gsasl logs in over IMAP with ${mechanism}, and not with a wrong password`, async (t) => {
    if (!needs(t, "gsasl")) return;
    const { port } = await imap(t, false);
    const good = await gsasl(port, "imap", mechanism);
    assert.match(good.stdout + good.stderr, /OK .*Logged in/, good.stdout + good.stderr);
    const bad = await gsasl(port, "imap", mechanism, "wrong");
    assert.doesNotMatch(bad.stdout, /Logged in/);
  });
  test(`gsasl logs in at submission with ${mechanism}`, async (t) => {
    if (!needs(t, "gsasl")) return;
    const { port } = await smtpServer(t, { mode: "submission", ...(await sasl(t)) });
    const good = await gsasl(port, "smtp", mechanism);
    assert.match(good.stdout, /^235 /m, good.stdout + good.stderr);
  });
}

test("mbsync logs in with SCRAM-SHA-256", async (t) => {
  if (!needs(t, "mbsync")) return;
  const { port, certificate } = await imap(t, true);
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-sasl-"));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "ca.pem"), certificate);
  writeFileSync(
    join(directory, "mbsyncrc"),
    [
      "IMAPAccount a",
      "Host localhost",
      `Port ${port}`,
      `User ${ANN}`,
      "Pass secret",
      "SSLType IMAPS",
      `CertificateFile ${directory}/ca.pem`,
      "AuthMechs SCRAM-SHA-256",
    ].join("\n") +
      `\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath ${directory}/\nInbox ${directory}/inbox\n\nChannel c\nFar :far:\nNear :near:\nCreate Near\n`,
  );
  const { code, stderr } = await run("mbsync", ["-c", join(directory, "mbsyncrc"), "-a"], {
    timeoutMs: 20_000,
  });
  assert.equal(code, 0, stderr);
});

for (const [mechanism, other] of [
  ["OAUTHBEARER", "XOAUTH2"],
  ["XOAUTH2", "OAUTHBEARER"],
] as const) {
  const curl = (url: string, token: string, ...more: string[]) =>
    run("curl", ["-sSvk", "-m", "15", "-u", `${ANN}:`, "--oauth2-bearer", token, ...more, url]);
  test(`curl logs in over IMAP with ${mechanism}, and hears of a bad token`, async (t) => {
    if (!needs(t, "curl")) return;
    const { port } = await imap(t, true, other);
    const good = await curl(`imaps://127.0.0.1:${port}/`, "good-token");
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stderr, new RegExp(`AUTHENTICATE ${mechanism}`));
    const bad = await curl(`imaps://127.0.0.1:${port}/`, "bad-token");
    assert.equal(bad.code, 67, bad.stderr);
    // With XOAUTH2 it leaves at the challenge that says why.
    assert.match(bad.stderr, /NO \[AUTHENTICATIONFAILED\]|< \+ eyJ/);
  });
  test(`curl sends with ${mechanism}`, async (t) => {
    if (!needs(t, "curl")) return;
    const server = await smtpServer(t, { mode: "submission", implicitTls: true, ...(await sasl(t, other)) });
    const letter = join(server.spool, "letter");
    writeFileSync(letter, `From: ${ANN}\r\nSubject: x\r\n\r\nhello\r\n`);
    const send = ["--mail-from", ANN, "--mail-rcpt", "bob@example.org", "--upload-file", letter];
    const good = await curl(`smtps://127.0.0.1:${server.port}/client.test`, "good-token", ...send);
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stderr, new RegExp(`AUTH ${mechanism}`));
    assert.equal(server.stored.length, 1);
    const bad = await curl(`smtps://127.0.0.1:${server.port}/client.test`, "bad-token", ...send);
    assert.equal(bad.code, 67, bad.stderr);
    assert.equal(server.stored.length, 1);
  });
}
