/** Relays whose certificates their DNS vouches for (RFC 7672 §1.3.2): zone signed by knot, validated by unbound, Postfix as relay. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { needs } from "../../test/support/tools.ts";
import { createResolver } from "../dns/resolver.ts";
import { publicKeysOf, startKnot, startUnbound } from "../dns/test-support.ts";
import { testCertificate } from "../net/test-certificate.ts";
import { submission, testQueue, until } from "../queue/queue-for-tests.ts";
import type { Relay } from "../queue/relay.ts";
import { createRelayDemand } from "../queue/tls-demand.ts";
import { subjectPublicKeyInfo } from "./spki.ts";

test("a relay's TLSA record at its own port stands in for an authority, and keeps mail back where it does not fit", {
  skip: skipWithoutPostfix,
}, async (t) => {
  if (!needs(t, "knotd", "kdig", "unbound", "dig")) return;
  const certificate = testCertificate("somebody.else.test");
  const key = subjectPublicKeyInfo(new X509Certificate(certificate.cert).raw);
  const right = `3 1 1 ${createHash("sha256").update(key).digest("hex")}`;
  const wrong = `3 1 1 ${"ab".repeat(32)}`;
  const { port } = await startPostfix(t, {
    certificate,
    domains: ["far.test"],
  });
  const zone = [
    "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n@ NS ns\nns A 127.0.0.1\n",
    `right A 127.0.0.1\n_${port}._tcp.right TLSA ${right}\n`,
    `wrong A 127.0.0.1\n_${port}._tcp.wrong TLSA ${wrong}\n`,
    // A record for mail between servers says nothing about the port that mail is handed over at.
    `mx-only A 127.0.0.1\n_25._tcp.mx-only TLSA ${right}\n`,
    "none A 127.0.0.1\n",
  ].join("");
  const knot = await startKnot(
    t,
    { "signed.test": { text: zone, lines: ["dnssec-signing: on", "dnssec-policy: quick"] } },
    "policy:\n  - id: quick\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n",
  );
  const unbound = await startUnbound(t, await publicKeysOf(knot, "signed.test"), { "signed.test": knot });
  const resolver = createResolver({ servers: [`127.0.0.1:${unbound}`] });
  t.after(() => resolver.close());
  const relay = (name: string, tls: Relay["tls"]): Relay => ({ host: `${name}.signed.test`, port, tls });
  const relays: Readonly<Record<string, Relay>> = {
    "right@far.test": relay("right", "starttls"),
    "right-opportunistic@far.test": relay("right", "opportunistic"),
    "none-opportunistic@far.test": relay("none", "opportunistic"),
    "wrong@far.test": relay("wrong", "starttls"),
    "wrong-opportunistic@far.test": relay("wrong", "opportunistic"),
    "mx-only@far.test": relay("mx-only", "starttls"),
  };
  const { queue } = await testQueue(t, 9, {
    resolver,
    timeouts: undefined,
    relayFor: (_from, to) => relays[to],
    relayDemand: createRelayDemand({ resolver, dane: () => true }),
  });
  const ids = new Map<string, string>();
  for (const to of Object.keys(relays)) ids.set(to, (await queue.enqueue(submission(to))).id);
  const ends: readonly (readonly [to: string, waits: RegExp | undefined])[] = [
    ["right@far.test", undefined],
    ["right-opportunistic@far.test", undefined],
    ["none-opportunistic@far.test", undefined],
    ["wrong@far.test", /no TLSA record/],
    ["wrong-opportunistic@far.test", /no TLSA record/],
    ["mx-only@far.test", /certificate of mx-only\.signed\.test does not do/],
  ];
  for (const [to, waits] of ends) {
    const show = () => queue.operator.show(ids.get(to)!);
    if (waits === undefined) await until(async () => (await show()) === undefined, `${to} to be delivered`);
    else {
      await until(async () => ((await show())?.transcript.length ?? 0) > 0, `an attempt at ${to}`);
      assert.match((await show())?.transcript.join("\n") ?? "", waits, to);
    }
  }
});
