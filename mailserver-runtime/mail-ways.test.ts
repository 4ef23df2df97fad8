/** A running server's ways, with clients and servers that others have written: swaks, knot, smtp-sink. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { type TestContext, test } from "node:test";
import { answers } from "../test/support/loopback.ts";
import { needs, run } from "../test/support/tools.ts";
import { perform } from "./admin/operations.ts";
import { freePort, startKnot } from "./dns/test-support.ts";
import { until } from "./queue/queue-for-tests.ts";
import { startServer } from "./server.ts";
import { type Directories, directoriesBelow } from "./settings/directories.ts";
import type { SettingsInput } from "./settings/schema.ts";

const version = "0.0.0-test";
const owner = "test";
/** Another host of the loopback network, which is no interface's own address. */
const ELSEWHERE = "127.0.0.2";

const zone = (records: string) =>
  `$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n${records}\n`;
const zones = {
  "green.test": zone("@ MX 10 mail\nmail A 127.0.0.1"),
  // The worse MX is this host: it must give the mail to the better one, and never to itself or to what is worse still.
  "backup.test": zone(
    `@ MX 10 primary\n@ MX 20 mail.green.test.\n@ MX 30 worse\nprimary A ${ELSEWHERE}\nworse A 127.0.0.3`,
  ),
  "away.test": zone(`@ MX 10 mx\nmx A ${ELSEWHERE}`),
  "source.test": zone(`@ MX 10 mx\nmx A ${ELSEWHERE}`),
};

interface Running {
  readonly directories: Directories;
  readonly port: number;
  /** Where other hosts' servers listen. */
  readonly outPort: number;
  swaks(...args: string[]): Promise<{ code: number | null; text: string }>;
}

async function server(
  t: TestContext,
  more: SettingsInput | object,
  files: Readonly<Record<string, string>>,
): Promise<Running> {
  const root = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-ways-"));
  const directories = directoriesBelow(root);
  const [outPort, dns] = await Promise.all([
    freePort(),
    startKnot(
      t,
      Object.fromEntries(Object.entries(zones).map(([name, text]) => [name, { text, lines: [] }])),
    ),
  ]);
  await fs.mkdir(directories.config, { recursive: true });
  for (const [name, text] of Object.entries(files))
    await fs.writeFile(path.join(directories.config, name), text);
  const settings = {
    hostname: "mail.green.test",
    listeners: [{ protocol: "smtp" as const, address: "127.0.0.1", port: 0 }],
    dns: { servers: [`127.0.0.1:${dns}`] },
    delivery: { port: outPort },
    ...more,
  };
  await perform("settings.put", { settings, owner }, { directories, version });
  await perform(
    "certificate.put",
    { names: ["mail.green.test"], issuer: { type: "local-ca" }, owner },
    { directories, version },
  );
  const running = await startServer({
    directories,
    env: {},
    version,
    logToStdout: false,
    onStopRequested: () => {},
  });
  t.after(async () => {
    await running.stop(1000);
    await fs.rm(root, { recursive: true, force: true });
  });
  const port = running.listeners()[0]!.port;
  return {
    directories,
    port,
    outPort,
    async swaks(...args) {
      const common = [
        "--server",
        "127.0.0.1",
        "--port",
        String(port),
        "--helo",
        "client.source.test",
        "--timeout",
        "20",
      ];
      const { code, stdout, stderr } = await run("swaks", [...common, ...args]);
      return { code, text: stdout + stderr };
    },
  };
}

/** A server elsewhere that keeps every message as a file. */
async function sink(t: TestContext, port: number): Promise<() => Promise<string[]>> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-sink-"));
  await fs.chmod(directory, 0o777);
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child: ChildProcess = spawn(
    "smtp-sink",
    [...user, "-d", `${directory}/%M.`, `${ELSEWHERE}:${port}`, "100"],
    { stdio: "ignore" },
  );
  t.after(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, "exit");
    await fs.rm(directory, { recursive: true, force: true });
  });
  await until(() => answers(port, ELSEWHERE), "smtp-sink");
  return async () => {
    const names = (await fs.readdir(directory)).sort();
    return Promise.all(names.map((name) => fs.readFile(path.join(directory, name), "latin1")));
  };
}

const account = "ann@green.test|{PLAIN}secret\n";
const body = "A body with  two spaces,\ttabs, trailing blanks   \n\n\nFrom here on: .dots\nand the end";

test("a backup MX keeps mail for known recipients while the primary is away, and gives it to the primary alone (RFC 5321 §5.1)", async (t) => {
  if (!needs(t, "swaks", "knotd", "smtp-sink")) return;
  const backup = [{ domain: "backup.test", recipients: ["dan@backup.test"] }];
  const { swaks, directories, outPort } = await server(t, { backup }, { "postfix-accounts.cf": account });
  const context = { directories, version };
  const unknown = await swaks("--from", "eve@source.test", "--to", "nobody@backup.test");
  assert.match(unknown.text, /550 5\.1\.1/);
  const relay = await swaks("--from", "eve@source.test", "--to", "x@away.test");
  assert.match(relay.text, /5\.7\.1/, "it is a backup for its own domains only");
  const sent = await swaks(
    ...[
      "--from",
      "eve@source.test",
      "--to",
      "dan@backup.test",
      "--header",
      "Message-Id: <backup@source.test>",
    ],
    ...["--body", body],
  );
  assert.equal(sent.code, 0, sent.text);
  const traced = async () =>
    (await perform("trace", { about: "<backup@source.test>" }, context)).lines.join("\n");
  await until(async () => /deferred for dan@backup\.test/.test(await traced()), "the first attempt");

  const received = await sink(t, outPort);
  // The running server is asked by its socket, as the command line does.
  await until(async () => {
    await askServer(directories, "queue.retry", { select: { all: true } });
    return (await received()).length > 0;
  }, "the primary");
  const [message = ""] = await received();
  assert.match(message, /X-Mail-Args: <eve@source\.test>/, "the primary sees the sender as he is");
  assert.match(message, /X-Rcpt-Args: <dan@backup\.test>/);
  assert.ok(message.replaceAll("\r\n", "\n").includes(body));
  await until(
    async () => /delivered to dan@backup\.test at primary\.backup\.test/.test(await traced()),
    "the trace",
  );
  const way = await traced();
  assert.match(way, /^eve@source\.test → dan@backup\.test {2}<backup@source\.test>/);
  assert.match(way, /kept for the primary of dan@backup\.test/);
  assert.doesNotMatch(way, /worse|127\.0\.0\.3/);
  assert.match(way, /leaves the queue/);
  const { lines } = (await askServer(directories, "explain", { address: "dan@backup.test" })) as {
    lines: string[];
  };
  assert.match(lines.join("\n"), /backup MX .*stack\/settings\.json:1[\s\S]*30 days/);
});

test("a forward leaves with a rewritten sender and an untouched body, a journal gets its copy, and the bounce finds its way back", async (t) => {
  if (!needs(t, "swaks", "knotd", "smtp-sink")) return;
  const files = {
    "postfix-accounts.cf": `${account}journal@green.test|{PLAIN}secret\n`,
    "postfix-virtual.cf": "away@green.test ann@green.test,x@away.test\n",
    "postfix-main.cf": "always_bcc = journal@green.test\n",
  };
  const { swaks, directories, outPort } = await server(t, {}, files);
  const received = await sink(t, outPort);
  const sent = await swaks(
    ...["--from", "eve@source.test", "--to", "away@green.test", "--header", "Message-Id: <fwd@source.test>"],
    ...["--body", body],
  );
  assert.equal(sent.code, 0, sent.text);
  await until(async () => (await received()).length === 1, "the forward");
  const [message = ""] = await received();
  const sender = /X-Mail-Args: <(SRS0=\w+=\w+=source\.test=eve@green\.test)>/.exec(message)?.[1];
  assert.ok(sender, message);
  assert.ok(message.replaceAll("\r\n", "\n").includes(body));
  const stored = await newMail(directories, "green.test/journal");
  assert.match(
    stored,
    /^Return-Path: <eve@source\.test>\r\nX-Envelope-From: <eve@source\.test>\r\nX-Envelope-To: <away@green\.test>/,
  );
  assert.match(await newMail(directories, "green.test/ann"), /Message-Id: <fwd@source\.test>/);

  const bounce = await swaks("--from", "<>", "--to", sender, "--header", "Subject: bounce");
  assert.equal(bounce.code, 0, bounce.text);
  const forged = await swaks("--from", "<>", "--to", sender.replace("=eve@", "=bob@"));
  assert.match(forged.text, /550 5\.7\.1/);
  await until(async () => (await received()).length === 2, "the bounce");
  assert.match(
    (await received()).find((one) => /Subject: bounce/.test(one)) ?? "",
    /X-Rcpt-Args: <eve@source\.test>/,
  );
  const lines = (await perform("trace", { about: "x@away.test" }, { directories, version })).lines.join("\n");
  assert.match(lines, /forwarded to x@away\.test; copied to journal@green\.test/);
  assert.match(lines, /delivered to x@away\.test at mx\.away\.test/);
});

/** The one message in an account's INBOX. */
async function newMail(directories: Directories, account: string): Promise<string> {
  const directory = path.join(directories.mail, account, "new");
  let names: string[] = [];
  await until(async () => {
    names = await fs.readdir(directory).catch(() => []);
    return names.length > 0;
  }, `mail in ${account}`);
  return fs.readFile(path.join(directory, names[0]!), "latin1");
}

async function askServer(directories: Directories, operation: string, request: object): Promise<unknown> {
  const { connectAdmin } = await import("./admin/client.ts");
  const client = await connectAdmin(directories.run);
  assert.ok(client, "the server runs");
  const answer = JSON.parse(await client.ask(JSON.stringify({ operation, request }))) as {
    ok: boolean;
    answer: unknown;
  };
  client.close();
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.answer;
}
