/** Where a user's mail goes by what a real name server (knot) says of the recipient's domain (RFC 5321 §5.1, RFC 7505, RFC 5890). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needs, run } from "../test/support/tools.ts";
import { until } from "./queue/queue-for-tests.ts";
import { runningServer, sinkAt, zone } from "./server-for-tests.ts";

const FIRST = "127.0.0.2";
const SECOND = "127.0.0.3";
const NOBODY = "127.0.0.9";

const names = zone(`
prefers MX 10 first
prefers MX 5 second
falls MX 5 nobody
falls MX 10 second
shares MX 10 first
shares MX 10 second
address A ${FIRST}
six AAAA ::1
alias CNAME prefers
mx-alias MX 10 first-alias
first-alias CNAME first
null MX 0 .
null A ${FIRST}
beside MX 0 .
beside MX 10 first
nothing TXT "neither MX nor address"
dead MX 10 does-not-exist
broken CNAME x.unloaded.test.
half MX 5 x.unloaded.test.
half MX 10 first
first A ${FIRST}
second A ${SECOND}
nobody A ${NOBODY}`);

interface Row {
  readonly to: string;
  /** The sinks that may have it, the code of the failure, or what it waits for. */
  readonly ends: "first" | "second" | "either" | "six" | `${5}.${string}` | RegExp;
  readonly why: string;
}
const rows: readonly Row[] = [
  { to: "prefers.names.test", ends: "second", why: "the lower preference" },
  { to: "falls.names.test", ends: "second", why: "the next one, where the best is away" },
  { to: "shares.names.test", ends: "either", why: "equal ones in random order" },
  { to: "address.names.test", ends: "first", why: "no MX: the domain's address" },
  { to: "six.names.test", ends: "six", why: "no MX: the domain's IPv6 address" },
  { to: "alias.names.test", ends: "second", why: "the alias's MX" },
  { to: "mx-alias.names.test", ends: "first", why: "an MX that is an alias, which many servers follow" },
  { to: "null.names.test", ends: "5.1.10", why: "a null MX, whatever address stands beside it" },
  { to: "beside.names.test", ends: "first", why: "a null MX among others means nothing" },
  { to: "nothing.names.test", ends: "5.4.4", why: "neither MX nor address" },
  { to: "dead.names.test", ends: "5.4.4", why: "an MX without address" },
  { to: "not-there.names.test", ends: "5.1.2", why: "NXDOMAIN" },
  { to: "broken.names.test", ends: /waiting.*SERVFAIL/, why: "SERVFAIL says nothing for good" },
  { to: "half.names.test", ends: "first", why: "one host's SERVFAIL leaves the others" },
  { to: `[${FIRST}]`, ends: "first", why: "an address literal" },
  { to: "[IPv6:::1]", ends: "six", why: "an IPv6 literal" },
  { to: "xn--bcher-kva.test", ends: "first", why: "an A-label" },
  { to: "bücher.test", ends: "first", why: "a U-label goes as its A-label to a host without SMTPUTF8" },
];

test("a user's mail finds its host by MX, address, literal and IDNA, fails where DNS is sure and waits where it is not", async (t) => {
  if (!needs(t, "knotd", "smtp-sink", "python3")) return;
  const server = await runningServer(t, {
    zones: {
      "green.test": zone("@ MX 10 mail\nmail A 127.0.0.1"),
      "xn--bcher-kva.test": zone(`@ MX 10 mx\nmx A ${FIRST}`),
      // A zone that does not load is answered with SERVFAIL.
      "unloaded.test": "no zone at all\n",
      "names.test": names,
    },
    protocols: ["smtp", "submissions"],
    files: { "postfix-accounts.cf": "ann@green.test|{PLAIN}secret\n" },
  });
  const sinks = {
    first: await sinkAt(t, FIRST, server.outPort),
    second: await sinkAt(t, SECOND, server.outPort),
    six: await sinkAt(t, "::1", server.outPort),
  };
  const client = `
import smtplib, ssl, sys
server = smtplib.SMTP_SSL("127.0.0.1", int(sys.argv[1]), "client.test", context=ssl._create_unverified_context())
server.login("ann@green.test", "secret")
for domain in sys.argv[2:]:
    options = [] if domain.isascii() else ["SMTPUTF8"]
    server.command_encoding = "utf-8"
    server.sendmail("ann@green.test", ["bob@" + domain], f"From: <ann@green.test>\\r\\nSubject: to {sys.argv.index(domain)}\\r\\n\\r\\nx\\r\\n", options)
`;
  const port = String(server.port("submissions"));
  const { code, stderr } = await run("python3", ["-c", client, port, ...rows.map(({ to }) => to)]);
  assert.equal(code, 0, stderr);
  for (const [index, { to, ends, why }] of rows.entries()) {
    const subject = new RegExp(`^Subject: to ${index + 2}\\r?$`, "m");
    const at = async (): Promise<string> => {
      for (const [name, messages] of Object.entries(sinks))
        if ((await messages()).some((text) => subject.test(text))) return name;
      const report = (await server.mail("green.test/ann")).find((text) => subject.test(text));
      if (report !== undefined) return /^Status: (\S+)/m.exec(report)?.[1] ?? "a report without status";
      return JSON.stringify(await server.ask("queue.list", { select: { recipientDomains: [to] } }));
    };
    let found = "";
    const right = async (): Promise<boolean> => {
      found = await at();
      if (ends === "either") return found === "first" || found === "second";
      return typeof ends === "string" ? found === ends : ends.test(found);
    };
    await until(right, to).catch(() => assert.fail(`${to} ended at ${found}, not ${ends}: ${why}`));
  }
});
