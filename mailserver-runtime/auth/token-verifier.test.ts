/** Access tokens (RFC 7628, RFC 7519): JWTs checked here, others shown to their issuer; a real HTTP server is the issuer. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { createTokenVerifier, type TokenSettings } from "./token-verifier.ts";

const ISSUER = "https://id.example.org";
const ANN = "ann@example.org";
const pair = await generateKeyPair("ES256", { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "one", alg: "ES256" }] };

async function token(
  claims: Record<string, unknown>,
  options: { key?: typeof pair.privateKey; kid?: string; exp?: string } = {},
) {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: options.kid ?? "one" })
    .setIssuer(ISSUER)
    .setAudience("mail")
    .setExpirationTime(options.exp ?? "5m")
    .sign(options.key ?? pair.privateKey);
}

/** An issuer on loopback: /jwks and /userinfo; counts what it is asked. */
async function issuer(t: TestContext) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const bearer = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1];
    const json = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    if (path === "/jwks") return json(200, jwks);
    if (path === "/slow") return;
    if (path === "/broken") return json(500, {});
    if (path === "/text") return response.end("hello");
    if (path === "/huge") return response.end(`"${"x".repeat(200_000)}"`);
    if (bearer === "good") return json(200, { email: "Ann@Example.ORG" });
    if (bearer === "over") return json(200, { active: false });
    if (bearer === "nameless") return json(200, { sub: "7" });
    if (bearer === "unverified") return json(200, { email: ANN, email_verified: false });
    return json(401, { error: "invalid_token" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function verifier(settings: Partial<TokenSettings>, now?: () => number) {
  const defaults = settingsSchema.shape.oauth2.parse(undefined);
  const all = { ...defaults, enabled: true, timeoutMs: 500, ...settings };
  return createTokenVerifier({ settings: () => all, log: silentLog, ...(now ? { now } : {}) });
}
const ann = { ok: true, address: ANN };
const refused = { ok: false, reason: "credentials" };
const unavailable = { ok: false, reason: "temporary" };

test("a JWT is good by its signature, issuer, audience and time, without asking anybody twice", async (t) => {
  const { asked, url } = await issuer(t);
  const tokens = verifier({ jwks: `${url}/jwks`, issuer: ISSUER, audience: ["mail"] });
  assert.deepEqual(await tokens.verify(await token({ email: "Ann@example.org" })), ann);
  assert.deepEqual(await tokens.verify(await token({ email: ANN })), ann);
  assert.deepEqual(asked, ["/jwks"]);
  const stranger = await generateKeyPair("ES256");
  const rows: [string, Promise<string>][] = [
    ["signed by a stranger", token({ email: ANN }, { key: stranger.privateKey })],
    ["over", token({ email: ANN }, { exp: "-5m" })],
    ["without an address", token({ sub: "7" })],
    ["of an address nobody verified", token({ email: ANN, email_verified: false })],
    ["not a JWT", Promise.resolve("opaque")],
    ["unsigned", Promise.resolve(`${Buffer.from('{"alg":"none"}').toString("base64url")}.e30.`)],
  ];
  for (const [what, one] of rows) assert.deepEqual(await tokens.verify(await one), refused, what);
  for (const settings of [{ issuer: "https://other.example" }, { audience: ["other"] }]) {
    const strict = verifier({ jwks: `${url}/jwks`, ...settings });
    assert.deepEqual(await strict.verify(await token({ email: ANN })), refused, JSON.stringify(settings));
  }
});

test("a JWT checked by a symmetric key is not taken: whoever checks could make it", async (t) => {
  const { url } = await issuer(t);
  const forged = await new SignJWT({ email: ANN })
    .setProtectedHeader({ alg: "HS256", kid: "one" })
    .setExpirationTime("5m")
    .sign(Buffer.from(JSON.stringify(jwks.keys[0])));
  assert.deepEqual(await verifier({ jwks: `${url}/jwks` }).verify(forged), refused);
});

test("the issuer's keys may lie in a file, and another claim may hold the address", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-jwks-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "jwks.json");
  writeFileSync(file, JSON.stringify(jwks));
  const tokens = verifier({ jwks: file, usernameClaim: "mail" });
  assert.deepEqual(await tokens.verify(await token({ mail: ANN })), ann);
  assert.deepEqual(await verifier({ jwks: `${file}.gone` }).verify(await token({ email: ANN })), unavailable);
});

test("any other token is shown to the issuer, once a minute (docker-mailserver's OAUTH2_INTROSPECTION_URL)", async (t) => {
  const { asked, url } = await issuer(t);
  let now = Date.now();
  const tokens = verifier({ introspectionUrl: `${url}/userinfo` }, () => now);
  assert.deepEqual(await tokens.verify("good"), ann);
  assert.deepEqual(await tokens.verify("good"), ann);
  assert.equal(asked.length, 1);
  now += 61_000;
  assert.deepEqual(await tokens.verify("good"), ann);
  assert.equal(asked.length, 2);
  for (const bad of ["bad", "over", "nameless", "unverified"])
    assert.deepEqual(await tokens.verify(bad), refused, bad);
});

test("an issuer that is slow, broken or away is temporary, within the time limit", async (t) => {
  const { url } = await issuer(t);
  const began = Date.now();
  for (const path of ["/slow", "/broken", "/text", "/huge"])
    assert.deepEqual(await verifier({ introspectionUrl: url + path }).verify("good"), unavailable, path);
  assert.deepEqual(await verifier({ introspectionUrl: "http://127.0.0.1:1/" }).verify("good"), unavailable);
  assert.ok(Date.now() - began < 20_000);
});

test("without an issuer no token is good", async () => {
  assert.deepEqual(await verifier({}).verify("good"), refused);
  assert.deepEqual(
    await verifier({ enabled: false, introspectionUrl: "http://127.0.0.1:1/" }).verify("good"),
    refused,
  );
});
