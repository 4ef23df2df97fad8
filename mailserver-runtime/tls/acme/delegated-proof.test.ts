/** A proof by DNS-01 in a zone of its own, where an alias leads: the secret on the host can change nothing else. */
import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createResolver } from "../../dns/resolver.ts";
import { hasTool, run, startKnot, startUnbound } from "../../dns/test-support.ts";
import { acmeIssuerSchema } from "../../settings/certificate-issuer.ts";
import { makePrivateKey } from "../x509.ts";
import { orderCertificate } from "./order.ts";
import { startPebble } from "./pebble-for-tests.ts";

test("the alias at _acme-challenge is followed: the key may change the delegated zone alone, and nothing is left there (RFC 8555 §8.4)", async (t) => {
  if (!hasTool(t, "knotd", "knot") || !hasTool(t, "unbound", "unbound")) return;
  const key = { name: "k", algorithm: "hmac-sha256" as const, secret: randomBytes(32).toString("base64") };
  const soa = "$TTL 60\n@ SOA ns h 1 7200 900 1209600 1\n@ NS ns\nns A 127.0.0.1\n";
  const alias = "_acme-challenge.mail CNAME mail.green.test.proofs.test.\n";
  const knot = await startKnot(
    t,
    {
      // Nobody may change this one.
      "green.test": { text: soa + alias, lines: [] },
      "proofs.test": { text: soa, lines: ["acl: ours"] },
    },
    `key:\n  - id: k\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}\nacl:\n  - id: ours\n    key: k\n    action: update`,
  );
  const dnsPort = await startUnbound(t, "", { "green.test": knot, "proofs.test": knot });
  const pebble = await startPebble(t, { dnsPort });
  if (pebble === undefined) return;
  const state = await mkdtemp(join(tmpdir(), "mailkeep-alias-"));
  t.after(() => rm(state, { recursive: true, force: true }));
  const resolver = createResolver({ servers: [`127.0.0.1:${dnsPort}`] });
  t.after(() => resolver.close());
  const publisher = { type: "rfc2136", server: "127.0.0.1", port: knot, zone: "proofs.test", key };
  const issuer = acmeIssuerSchema.parse({
    type: "acme",
    directory: pebble.directory,
    challenge: { type: "dns-01", publisher, settleSeconds: 2 },
  });
  const wanted = { names: ["mail.green.test"], issuer, privateKeyPem: await makePrivateKey() };
  const chain = await orderCertificate({ state, resolver }, wanted);
  assert.equal(new X509Certificate(chain).subjectAltName, "DNS:mail.green.test");
  const at = ["@127.0.0.1", "-p", String(knot), "mail.green.test.proofs.test", "TXT", "+short"];
  assert.equal((await run("kdig", ...at)).trim(), "");
});
