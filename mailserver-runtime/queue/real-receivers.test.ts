/** Delivery to servers that others have written: Postfix's smtp-sink, and Postfix itself over STARTTLS. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { memoryContent } from "../message/content.ts";
import { opportunisticDemand } from "./client/tls-policy.ts";
import { envelope, submission, testQueue, until } from "./queue-for-tests.ts";

const has = (command: string): boolean => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const isRoot = process.getuid?.() === 0;
/** Missing tools skip a test with the reason, but not where everything is meant to be installed. */
const skipWithout = (met: boolean, reason: string): string | false =>
  met || process.env.CI !== undefined ? false : reason;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
  });

test("smtp-sink counts every message once", {
  skip: skipWithout(has("smtp-sink"), "smtp-sink is not installed"),
}, async (context) => {
  const port = await freePort();
  const user = isRoot ? ["-u", "nobody"] : [];
  const sink: ChildProcess = spawn("smtp-sink", [...user, "-c", `127.0.0.1:${port}`, "100"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => sink.kill());
  let counted = "";
  sink.stdout?.on("data", (bytes: Buffer) => {
    counted = bytes.toString();
  });
  await until(() => answers(port), "smtp-sink");
  const { queue } = await testQueue(context, port, { timeouts: undefined });
  const content = memoryContent(Buffer.from(`Subject: x\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(57)}`));
  await Promise.all(
    Array.from({ length: 200 }, (_, index) => queue.enqueue(submission(`u${index}@sink.test`, { content }))),
  );
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(queue.counts().delivered, 200);
  await until(() => /mesg=200\b/.test(counted), "smtp-sink's count");
});

/** A Postfix of its own: one hosted domain with one user, everything discarded, STARTTLS with its own certificate. */
async function startPostfix(context: TestContext): Promise<number> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-postfix-"));
  chmodSync(directory, 0o755);
  const at = (name: string): string => join(directory, name);
  for (const name of ["config", "queue", "data"]) mkdirSync(at(name));
  const owner = Number(execFileSync("id", ["-u", "postfix"], { encoding: "utf8" }));
  chownSync(at("data"), owner, 0);
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync(
    "openssl",
    ["req", ...kind, "-subj", "/CN=mx.test", "-keyout", at("key"), "-out", at("cert")],
    {
      stdio: "ignore",
    },
  );
  const settings = {
    compatibility_level: "3.6",
    queue_directory: at("queue"),
    data_directory: at("data"),
    maillog_file: at("maillog"),
    maillog_file_prefixes: tmpdir(),
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    myhostname: "mx.test",
    mydestination: "",
    mynetworks: "127.0.0.2/32",
    alias_maps: "",
    virtual_mailbox_domains: "sink.test",
    virtual_mailbox_maps: "inline:{bob@sink.test=x, jürgen@sink.test=x}",
    virtual_transport: "discard",
    smtpd_relay_restrictions: "reject_unauth_destination",
    smtpd_tls_security_level: "may",
    smtpd_tls_key_file: at("key"),
    smtpd_tls_cert_file: at("cert"),
  };
  writeFileSync(
    at("config/main.cf"),
    Object.entries(settings)
      .map((entry) => `${entry.join(" = ")}\n`)
      .join(""),
  );
  const services = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "discard unix - - n - - discard",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "anvil unix - - n - 1 anvil",
    "postlog unix-dgram n - n - 1 postlogd",
  ];
  writeFileSync(at("config/master.cf"), services.map((line) => `${line}\n`).join(""));
  const postfix = (command: string): void => {
    execFileSync("postfix", ["-c", at("config"), command], { stdio: "ignore", timeout: 20_000 });
  };
  context.after(() => {
    try {
      postfix("abort");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
  postfix("start");
  await until(() => answers(port), "Postfix");
  return port;
}

const noPostfix = has("postfix")
  ? `Postfix can only be started by root, and this is ${userInfo().username}`
  : "Postfix is not installed";
test("Postfix takes a message over TLS with all its parameters, and its refusals come back as reports", {
  skip: skipWithout(has("postfix") && isRoot, noPostfix),
}, async (context) => {
  const port = await startPostfix(context);
  const { queue, reports, clock } = await testQueue(context, port, {
    timeouts: undefined,
    tlsDemand: async () => ({ ...opportunisticDemand, policy: { level: "encrypt" } }),
  });
  const holdUntil = clock.now + 3_600_000;
  const send = (recipients: readonly string[], body: string) =>
    queue.enqueue({
      envelope: envelope("", {
        recipients: recipients.map((address) => ({
          address,
          notify: ["FAILURE" as const],
          orcpt: "rfc822;bob@x.test",
        })),
        smtpUtf8: true,
        ret: "HDRS",
        envid: "E1",
      }),
      prefix: Buffer.alloc(0),
      content: memoryContent(Buffer.from(`From: <ann@here.test>\r\nSubject: ${body}\r\n\r\n.${body}\r\n`)),
      holdUntil,
    });
  const { id } = await send(["bob@sink.test", "nobody@sink.test"], "plain");
  await queue.retry();
  await until(() => queue.counts().messages === 0, "the first");
  assert.equal(reports.length, 1);
  const report = reports[0]?.content.buffer?.toString() ?? "";
  assert.match(report, new RegExp(`X-Queue-Id: ${id}`));
  assert.match(
    report,
    /Final-Recipient: rfc822; nobody@sink\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\nRemote-MTA: dns; mx\.test\r\n/,
  );
  await send(["jürgen@sink.test"], "grüße");
  await queue.retry();
  await until(() => queue.counts().messages === 0, "the second");
  await send(["bob@other.test"], "relay");
  await queue.retry();
  await until(() => reports.length === 2, "the third");
  assert.match(
    reports[1]?.content.buffer?.toString() ?? "",
    /Status: 5\.7\.1[\s\S]*smtp; 554 5\.7\.1[\s\S]*Relay/,
  );
  const { delivered, failed, uncertain } = queue.counts();
  assert.deepEqual({ delivered, failed, uncertain }, { delivered: 2, failed: 2, uncertain: 0 });
});
