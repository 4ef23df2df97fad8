import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mistake } from "../mistakes.ts";
import type { CertificateArgs } from "./certificate-args.ts";
import { planCertificates } from "./certificate-plan.ts";

const domains = [
  { name: "green.test", mtaSts: true },
  { name: "blue.test", mtaSts: false },
];
const acme: CertificateArgs = { type: "acme", email: "op@green.test" };

function plan(certificate: CertificateArgs | undefined, more: object = {}) {
  const mistakes: Mistake[] = [];
  const input = { hostname: "mail.green.test", domains, clientSettings: true, hasToken: false };
  const made = planCertificates({ ...input, certificate, ...more }, mistakes);
  return { ...made, mistakes: mistakes.map(({ where, what }) => `${where} ${what}`) };
}

test("the host has a certificate of its own, and each domain one for the names that HTTPS answers for", () => {
  const { certificates, webNames, mistakes } = plan(acme);
  assert.deepEqual(
    certificates.map(({ called, names }) => [called, names.join(" ")]),
    [
      ["certificate", "mail.green.test"],
      ["certificate-green.test", "autoconfig.green.test autodiscover.green.test mta-sts.green.test"],
      ["certificate-blue.test", "autoconfig.blue.test autodiscover.blue.test"],
    ],
  );
  assert.equal(webNames.length, 5);
  assert.deepEqual(mistakes, []);
});

test("localhost stands in certificates of the host's own authority alone", () => {
  assert.deepEqual(plan(undefined).certificates[0]?.names, ["mail.green.test", "localhost"]);
  assert.deepEqual(plan(acme).certificates[0]?.names, ["mail.green.test"]);
});

test("without settings for mail programs only MTA-STS policies need a certificate", () => {
  const { certificates } = plan(acme, { clientSettings: false });
  assert.deepEqual(
    certificates.map(({ names }) => names.join(" ")),
    ["mail.green.test", "mta-sts.green.test"],
  );
});

test("a secret that is missing, or that nothing needs, is named with its place", () => {
  const publisher = { type: "cloudflare", zoneId: "0".repeat(32) } as const;
  const byDns: CertificateArgs = { type: "acme", challenge: { type: "dns-01", publisher } };
  assert.match(plan(byDns).mistakes.join(), /^tokens\.acme is missing: the Cloudflare token/);
  assert.deepEqual(plan(byDns, { hasToken: true }).mistakes, []);
  assert.match(
    plan(acme, { hasToken: true }).mistakes.join(),
    /^tokens\.acme is for a certificate\.challenge/,
  );
});

test("what no authority could do is said before anything is planned", () => {
  const wrong = (more: object) => plan({ ...acme, ...more } as CertificateArgs).mistakes.join();
  assert.match(wrong({ email: "nobody" }), /^certificate\.email /);
  assert.match(wrong({ keyTypes: ["rsa"] }), /^certificate\.keyTypes is \["ecdsa"\] or \["ecdsa", "rsa"\]/);
  assert.match(wrong({ directory: "http://ca.test/dir" }), /^certificate\.directory /);
  assert.match(wrong({ challange: {} }), /^certificate\.challange .*did you mean "challenge"/);
});
