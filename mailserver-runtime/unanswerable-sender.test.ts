/** Mail in the name of domains that take none (RFC 7505 §4.2), by what a real name server (knot) says of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../test/support/tools.ts";
import { runningServer, zone } from "./server-for-tests.ts";

const names = zone(`
null MX 0 .
null A 127.0.0.2
beside MX 0 .
beside MX 10 ns
broken CNAME x.unloaded.test.`);

test("a sender at a domain with a null MX is refused with 550 5.7.27, unless it is near or the DNS is silent (RFC 7505 §4.2)", {
  timeout: 120_000,
}, async (t) => {
  if (!needs(t, "knotd", "swaks")) return;
  const server = await runningServer(t, {
    zones: { "names.test": names, "green.test": zone("") },
    files: { "postfix-accounts.cf": "ann@green.test|{PLAIN}secret\n" },
    settings: {
      listeners: [
        { protocol: "smtp", address: "127.0.0.1", port: 0 },
        { protocol: "smtp", address: "127.0.0.2", port: 0, proxyProtocol: ["127.0.0.1"] },
      ],
    },
    protocols: ["smtp"],
  });
  const port = String(server.port("smtp"));
  const from = async (sender: string, client: string) => {
    const status = (await server.ask("status", {})) as { listeners: { address: string; port: number }[] };
    const proxied = status.listeners.find(({ address }) => address === "127.0.0.2")!;
    const proxy = ["--server", "127.0.0.2", "--port", String(proxied.port), "--proxy-version", "1"];
    const by = ["--proxy-family", "TCP4", "--proxy-source", client, "--proxy-source-port", "4000"];
    const to = ["--proxy-dest", "198.51.100.1", "--proxy-dest-port", port];
    const envelope = ["--from", sender, "--to", "ann@green.test", "--quit-after", "RCPT"];
    return (await server.swaks(...proxy, ...by, ...to, ...envelope)).text;
  };
  assert.match(await from("x@null.names.test", "203.0.113.7"), /<\*\* 550 5\.7\.27 /);
  assert.match(await from("x@null.names.test", "192.168.1.9"), /<- {2}250 2\.1\.5/);
  assert.match(await from("x@beside.names.test", "203.0.113.7"), /<- {2}250 2\.1\.5/);
  assert.match(await from("x@broken.names.test", "203.0.113.7"), /<- {2}250 2\.1\.5/);
  assert.match(await from("x@not-there.names.test", "203.0.113.7"), /<- {2}250 2\.1\.5/);
  assert.match(await from("<>", "203.0.113.7"), /<- {2}250 2\.1\.5/);
});
