/** The whole server between a signed internet and its users: DANE on the way out, reports on the way in. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { skipWithoutPostfix, startPostfix } from "../test/support/postfix.ts";
import { needs, run } from "../test/support/tools.ts";
import { connectAdmin } from "./admin/client.ts";
import { answerLine, type OperationAnswer, type OperationName } from "./admin/contract.ts";
import { perform } from "./admin/operations.ts";
import { aggregateXml } from "./dmarc-report/aggregate-xml.ts";
import { publicKeysOf, startKnot, startUnbound } from "./dns/test-support.ts";
import { until } from "./queue/queue-for-tests.ts";
import { reportMessage } from "./reports/report-message.ts";
import { startServer } from "./server.ts";
import { directoriesBelow } from "./settings/directories.ts";

const version = "0.0.0-test";
const ZONE = `$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
@ NS ns
@ TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc TXT "v=DMARC1; p=none"
ns A 127.0.0.1
wrong MX 10 mx.wrong
mx.wrong A 127.0.0.1
_25._tcp.mx.wrong TLSA 3 1 1 ${"ab".repeat(32)}
`;

test("a server keeps DANE for its users' mail, tells them why it waits, and reads reports about its domain", {
  skip: skipWithoutPostfix,
}, async (t) => {
  if (!needs(t, "knotd", "kdig", "unbound", "dig", "swaks")) return;
  const knot = await startKnot(
    t,
    { "signed.test": { text: ZONE, lines: ["dnssec-signing: on", "dnssec-policy: quick"] } },
    "policy:\n  - id: quick\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n",
  );
  const unbound = await startUnbound(t, await publicKeysOf(knot, "signed.test"), { "signed.test": knot });
  const { port } = await startPostfix(t, { domains: ["wrong.signed.test"] });
  const root = await mkdtemp(join(tmpdir(), "mailkeep-tls-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const admin = { directories, version };
  const owner = "test";
  const settings = {
    hostname: "mail.here.test",
    listeners: (["smtp", "submissions"] as const).map((protocol) => ({
      protocol,
      address: "127.0.0.1",
      port: 0,
    })),
    dns: { servers: [`127.0.0.1:${unbound}`] },
    delivery: { port },
    reports: { addresses: ["reports@here.test"] },
  };
  await perform("settings.put", { settings, owner }, admin);
  await perform("domain.put", { domain: "here.test", owner }, admin);
  for (const name of ["ann", "reports"]) {
    const password = { text: "sesame-open-1", policy: "initial" as const };
    await perform("mailbox.put", { address: `${name}@here.test`, owner, password }, admin);
  }
  await perform("certificate.put", { names: ["mail.here.test"], issuer: { type: "local-ca" }, owner }, admin);
  const server = await startServer({ ...admin, env: {}, logToStdout: false, onStopRequested: () => {} });
  t.after(() => server.stop(0));
  const portOf = (protocol: string) => server.listeners().find((each) => each.protocol === protocol)!.port;
  const ask = async <N extends OperationName>(operation: N, request: object): Promise<OperationAnswer<N>> => {
    const client = await connectAdmin(directories.run);
    const answer = answerLine.parse(JSON.parse(await client!.ask(JSON.stringify({ operation, request }))));
    client!.close();
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.answer as OperationAnswer<N>;
  };

  await t.test("mail to a host whose key does not fit its TLSA record waits in the queue", async () => {
    const swaks = await run("swaks", [
      ...["--server", `127.0.0.1:${portOf("submissions")}`, "--tls-on-connect", "--auth", "PLAIN"],
      ...["--auth-user", "ann@here.test", "--auth-password", "sesame-open-1"],
      ...["--from", "ann@here.test", "--to", "bob@wrong.signed.test", "--header", "Subject: hello"],
    ]);
    assert.equal(swaks.code, 0, swaks.stdout);
    const id = async () => (await ask("queue.list", {})).entries[0]?.id;
    const transcript = async () =>
      (await ask("queue.show", { id: (await id()) ?? "-" })).transcript.join("\n");
    await until(async () => /temporary 4\.7\.5/.test(await transcript()), "an attempt");
    assert.match(
      await transcript(),
      /the certificate of mx\.wrong\.signed\.test does not do: no TLSA record fits it/,
    );
    const { lines } = await ask("explain", { address: "bob@wrong.signed.test" });
    assert.match(
      lines.join("\n"),
      /TLS to mx\.wrong\.signed\.test: DANE: a certificate that fits 3 1 1 abab/,
    );
  });

  await t.test("a report that comes to the declared address stands in `reports`", async () => {
    const end = Math.floor(Date.now() / 86_400_000) * 86_400_000;
    const xml = aggregateXml({
      domain: "here.test",
      organization: "signed.test",
      contact: "postmaster@signed.test",
      reportId: "1",
      begin: end - 86_400_000,
      end,
      rows: [
        {
          count: 7,
          row: {
            domain: "here.test",
            published: { adkim: "r", aspf: "r", p: "none", sp: "none" },
            source: "192.0.2.1",
            headerFrom: "here.test",
            envelopeFrom: "here.test",
            disposition: "none",
            overridden: false,
            dkimAligned: true,
            spfAligned: false,
            dkim: [],
            spf: { domain: "here.test", scope: "mfrom", result: "none" },
          },
        },
      ],
    });
    const message = join(root, "report.eml");
    const attachment = { type: "application/gzip", fileName: "r.xml.gz", bytes: gzipSync(xml) };
    const words = { subject: "Report Domain: here.test", fields: [], text: ["A report."], attachment };
    const from = "postmaster@signed.test";
    await writeFile(
      message,
      reportMessage({
        ...words,
        from,
        hostname: "mx.signed.test",
        to: "reports@here.test",
        contentType: "multipart/mixed",
        now: Date.now(),
      }),
    );
    const swaks = await run("swaks", [
      ...["--server", `127.0.0.1:${portOf("smtp")}`, "--helo", "mx.signed.test"],
      ...["--from", from, "--to", "reports@here.test", "--data", `@${message}`],
    ]);
    assert.equal(swaks.code, 0, swaks.stdout);
    await until(async () => (await ask("reports", {})).reports === 1, "the report to be read");
    const { dmarc, unverified } = await ask("reports", { domain: "here.test" });
    assert.deepEqual([dmarc[0]?.source, dmarc[0]?.messages, dmarc[0]?.passed], ["192.0.2.1", 7, 7]);
    assert.equal(unverified, 1, "nobody signed it");
  });
});
