/** What a real name server (knot) says against clients: senders at domains that take no mail, addresses without a name. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { needs } from "../test/support/tools.ts";
import { runningServer, zone } from "./server-for-tests.ts";

const names = zone(`
null MX 0 .
null A 127.0.0.2
beside MX 0 .
beside MX 10 ns
broken CNAME x.unloaded.test.
right A 203.0.113.7
wrong A 203.0.113.99`);

/** Reverse zones of the clients that the PROXY header names. */
const reverse = zone("7 PTR right.names.test.\n8 PTR wrong.names.test.\n9 PTR x.unloaded.test.");

async function behindProxy(t: TestContext, greeting: object) {
  const server = await runningServer(t, {
    // The last one is waited for; one that does not load is answered with SERVFAIL.
    zones: {
      "unloaded.test": "no zone\n",
      "113.0.203.in-addr.arpa": reverse,
      "names.test": names,
      "green.test": zone(""),
    },
    files: { "postfix-accounts.cf": "ann@green.test|{PLAIN}secret\n" },
    settings: {
      greeting,
      listeners: [
        { protocol: "smtp", address: "127.0.0.1", port: 0 },
        { protocol: "smtp", address: "127.0.0.2", port: 0, proxyProtocol: ["127.0.0.1"] },
      ],
    },
    protocols: ["smtp"],
  });
  const status = (await server.ask("status", {})) as { listeners: { address: string; port: number }[] };
  const proxied = status.listeners.find(({ address }) => address === "127.0.0.2")!;
  return async (sender: string, client: string) => {
    const proxy = ["--server", "127.0.0.2", "--port", String(proxied.port), "--proxy-version", "1"];
    const by = ["--proxy-family", "TCP4", "--proxy-source", client, "--proxy-source-port", "4000"];
    const to = ["--proxy-dest", "198.51.100.1", "--proxy-dest-port", "25"];
    const envelope = ["--from", sender, "--to", "ann@green.test", "--quit-after", "RCPT"];
    return (await server.swaks(...proxy, ...by, ...to, ...envelope)).text;
  };
}
const taken = /<- {2}250 2\.1\.5/;

test("a sender at a domain with a null MX is refused with 550 5.7.27, unless it is near or the DNS is silent (RFC 7505 §4.2)", {
  timeout: 120_000,
}, async (t) => {
  if (!needs(t, "knotd", "swaks")) return;
  const from = await behindProxy(t, {});
  assert.match(await from("x@null.names.test", "203.0.113.7"), /<\*\* 550 5\.7\.27 /);
  assert.match(await from("x@null.names.test", "192.168.1.9"), taken);
  for (const sender of ["x@beside.names.test", "x@broken.names.test", "x@not-there.names.test", "<>"])
    assert.match(await from(sender, "203.0.113.7"), taken, sender);
});

test("where it is asked for, a client without a confirmed name is put off with 450 4.7.25 (RFC 7372 §3.3)", {
  timeout: 120_000,
}, async (t) => {
  if (!needs(t, "knotd", "swaks")) return;
  const from = await behindProxy(t, { confirmedName: true });
  assert.match(await from("x@beside.names.test", "203.0.113.7"), taken);
  assert.match(
    await from("x@beside.names.test", "203.0.113.8"),
    /<\*\* 450 4\.7\.25 /,
    "the name is another's",
  );
  assert.match(await from("x@beside.names.test", "203.0.113.10"), /<\*\* 450 4\.7\.25 /, "there is none");
  assert.match(await from("x@beside.names.test", "192.168.1.9"), taken);
});
