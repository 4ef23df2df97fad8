/**
 * Delivery status notifications (RFC 3461) between a running server, Postfix and Exim, over TLS and both ways: what our
 * user asks of them comes back into the user's mailbox, and what their users ask of us comes back to theirs.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startExim } from "../test/support/exim.ts";
import { skipWithoutPostfix, startPostfix } from "../test/support/postfix.ts";
import { needs, run } from "../test/support/tools.ts";
import { directoryWith } from "./dns/test-support.ts";
import { until } from "./queue/queue-for-tests.ts";
import { runningServer, sinkAt, zone } from "./server-for-tests.ts";

const POSTFIX = "127.0.0.2";
const EXIM = "127.0.0.3";
const SINK = "127.0.0.4";

interface Peer {
  readonly domain: string;
  readonly address: string;
  /** What its bob has. */
  mailbox(): Promise<string[]>;
}

/** Our server at green.test, Postfix at postfix.test, Exim at exim.test, and at sink.test a server that knows no DSN. */
async function neighbours(t: TestContext) {
  const server = await runningServer(t, {
    zones: {
      "green.test": zone("@ MX 10 mail\nmail A 127.0.0.1"),
      "postfix.test": zone(`@ MX 10 mx\nmx A ${POSTFIX}`),
      "exim.test": zone(`@ MX 10 mx\nmx A ${EXIM}`),
      "sink.test": zone(`@ MX 10 mx\nmx A ${SINK}`),
    },
    protocols: ["smtp", "submissions"],
    files: {
      "postfix-accounts.cf": "ann@green.test|{PLAIN}secret\n",
      "postfix-virtual.cf":
        "away@green.test x@sink.test\nlost@green.test nobody@exim.test\nboth@green.test ann@green.test,x@sink.test\n",
    },
  });
  const { outPort } = server;
  const mx = server.port("smtp");
  const exim = await startExim(t, {
    smarthost: mx,
    receives: { address: EXIM, port: outPort, domain: "exim.test" },
  });
  if (exim === undefined) return undefined;
  const mailboxes = await directoryWith(t, {});
  await run("chown", ["nobody", mailboxes]);
  await run("chmod", ["755", mailboxes]);
  const known = ["bob", "late", "slow"].map((name) => `${name}@postfix.test=${name}/`);
  const postfix = await startPostfix(t, {
    address: POSTFIX,
    port: outPort,
    domains: ["postfix.test"],
    parameters: {
      myhostname: "mx.postfix.test",
      mynetworks: "127.0.0.0/8",
      relayhost: `[127.0.0.1]:${mx}`,
      smtp_tls_security_level: "encrypt",
      virtual_mailbox_maps: `inline:{${known.join(", ")}}`,
      virtual_mailbox_base: mailboxes,
      virtual_uid_maps: "static:65534",
      virtual_gid_maps: "static:65534",
      virtual_transport: "virtual",
      transport_maps: "inline:{{late@postfix.test=gone:}, {slow@postfix.test=later:}}",
      delay_warning_time: "1s",
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
    },
    services: [
      "gone unix - n n - - pipe user=nobody argv=/bin/false",
      "later unix - n n - - pipe user=nobody argv=/bin/sh -c {exit 75}",
    ],
  });
  const sink = await sinkAt(t, SINK, outPort, "-N");
  const peers: Peer[] = [
    {
      domain: "postfix.test",
      address: POSTFIX,
      async mailbox() {
        const directory = join(mailboxes, "bob/new");
        const names = await readdir(directory).catch(() => []);
        return Promise.all(names.map((name) => readFile(join(directory, name), "latin1")));
      },
    },
    { domain: "exim.test", address: EXIM, mailbox: exim.mailbox },
  ];
  return { server, postfix, peers, sink };
}

/** Python's smtplib: a client that gives every DSN parameter. */
const CLIENT = `
import smtplib, ssl, sys
how, host, port, sender, recipient, notify, number = sys.argv[1:]
plain = ssl._create_unverified_context()
if how == "submit":
    server = smtplib.SMTP_SSL(host, int(port), "client.test", context=plain)
    server.login("ann@green.test", "secret")
else:
    server = smtplib.SMTP(host, int(port), "client.test")
message = f"From: <{sender}>\\r\\nTo: <{recipient}>\\r\\nSubject: {number}\\r\\n\\r\\nthe body of {number}\\r\\n"
server.sendmail(sender, [recipient], message,
    ["RET=HDRS", f"ENVID=envelope+2B{number}"],
    [f"NOTIFY={notify}", f"ORCPT=rfc822;asked+2Bfor+2B{number}@list.test"])
server.quit()
`;

async function send(how: "submit" | "relay", host: string, port: number, ...mail: readonly string[]) {
  const { code, stderr } = await run("python3", ["-c", CLIENT, how, host, String(port), ...mail]);
  assert.equal(code, 0, stderr);
}

/** The report about a message with this action, once it has come. Exim gives ENVID and ORCPT back as xtext, "+2B" for "+". */
async function report(mailbox: () => Promise<string[]>, number: string, action: string): Promise<string> {
  let found: string | undefined;
  await until(async () => {
    found = (await mailbox()).find(
      (text) =>
        new RegExp(`^Original-Envelope-Id: envelope\\+(?:2B)?${number}\\r?$`, "im").test(text) &&
        new RegExp(`^Action: ${action}\\b`, "im").test(text),
    );
    return found !== undefined;
  }, `${action} for ${number}`).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${(await mailbox()).join("\n=====\n")}`);
  });
  const text = found!.replaceAll("\r\n", "\n");
  assert.match(
    text,
    new RegExp(`^Original-Recipient: rfc822; ?asked\\+(?:2B)?for\\+(?:2B)?${number}@list\\.test$`, "im"),
  );
  assert.match(text, /^Content-Type: multipart\/report;/im);
  assert.match(text, new RegExp(`^Subject: ${number}$`, "m"), "the original's header comes along");
  assert.doesNotMatch(text, new RegExp(`the body of ${number}`), "RET=HDRS");
  return text;
}

test("what our user asked of Postfix and Exim comes back: delivered, failed there or here, delayed, and nothing unasked (RFC 3461 §6)", {
  skip: skipWithoutPostfix,
}, async (t) => {
  if (!needs(t, "knotd", "smtp-sink", "python3")) return;
  const all = await neighbours(t);
  if (all === undefined) return;
  const { server, postfix, peers } = all;
  const mailbox = () => server.mail("green.test/ann");
  const submit = (recipient: string, notify: string, number: string) =>
    send("submit", "127.0.0.1", server.port("submissions"), "ann@green.test", recipient, notify, number);
  let count = 0;
  const next = () => `n${++count}`;
  for (const { domain, mailbox: theirs } of peers) {
    const [delivered, late, unknown, silent] = [next(), next(), next(), next()];
    await submit(`bob@${domain}`, "SUCCESS,FAILURE,DELAY", delivered);
    await submit(`late@${domain}`, "FAILURE", late);
    await submit(`nobody@${domain}`, "FAILURE", unknown);
    await submit(`bob@${domain}`, "NEVER", silent);
    const success = await report(mailbox, delivered, "delivered");
    assert.match(success, new RegExp(`^Reporting-MTA: dns; ?mx\\.${domain}$`, "im"), "they say so, not we");
    assert.match(
      await report(mailbox, late, "failed"),
      new RegExp(`^Reporting-MTA: dns; ?mx\\.${domain}$`, "im"),
    );
    const ours = await report(mailbox, unknown, "failed");
    assert.match(ours, /^Reporting-MTA: dns; ?mail\.green\.test$/im);
    assert.match(ours, new RegExp(`^Remote-MTA: dns; ?mx\\.${domain}$`, "im"));
    assert.match(ours, /^Status: 5\.1\.1$/m);
    await until(async () => (await theirs()).length === 2, `both at ${domain}`);
    for (const text of await theirs()) assert.match(text, /\bTLSv?1[._]?[23]/, "they came over TLS");
    assert.ok(!(await mailbox()).some((text) => new RegExp(`^Subject: ${silent}\r?$`, "m").test(text)));
  }
  const slow = next();
  await submit("slow@postfix.test", "DELAY", slow);
  await postfix.logged(/to=<slow@postfix\.test>.*status=deferred/);
  await until(async () => {
    postfix.flush();
    return (await mailbox()).some((text) => text.includes(`envelope+${slow}`));
  }, "Postfix's warning");
  assert.match(await report(mailbox, slow, "delayed"), /^Reporting-MTA: dns; ?mx\.postfix\.test$/m);
});

test("what a user of Postfix or Exim asks of us comes back to them: delivered, relayed, expanded, failed further on through SRS", {
  skip: skipWithoutPostfix,
}, async (t) => {
  if (!needs(t, "knotd", "smtp-sink", "python3")) return;
  const all = await neighbours(t);
  if (all === undefined) return;
  const { server, peers, sink } = all;
  for (const { domain, address, mailbox } of peers) {
    const ask = (recipient: string, number: string) =>
      send("relay", address, server.outPort, `bob@${domain}`, recipient, "SUCCESS,FAILURE", number);
    const name = domain.slice(0, 1);
    for (const [recipient, action, more] of [
      ["ann", "delivered", /^Final-Recipient: rfc822; ?ann@green\.test$/im],
      ["away", "relayed", /^Remote-MTA: dns; ?mx\.sink\.test$/im],
      ["both", "expanded", /^Final-Recipient: rfc822; ?both@green\.test$/im],
      ["lost", "failed", /^Status: 5\.1\.1$/m],
    ] as const) {
      const number = `${name}-${recipient}`;
      await ask(`${recipient}@green.test`, number);
      const text = await report(mailbox, number, action);
      assert.match(text, /^Reporting-MTA: dns; ?mail\.green\.test$/im);
      assert.match(text, more);
    }
  }
  assert.equal((await sink()).length, 2 * peers.length, "away and both, once each");
});
