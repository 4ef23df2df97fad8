/** Programs of others as clients: swaks and curl for the ways to log in and to send, smtp-source for load, and the memory that big mail takes. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type FixtureOptions, smtpServer } from "./testing.ts";

/** Skips where a program is missing, but not in CI, where it must be there. */
function needs(t: TestContext, program: string): boolean {
  if (spawnSync(program, ["--version"]).error === undefined) return true;
  if (process.env.CI !== undefined) assert.fail(`${program} is not installed`);
  t.skip(`${program} is not installed`);
  return false;
}
async function run(program: string, args: readonly string[]): Promise<{ status: number; output: string }> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const [status] = await once(child, "close");
  return { status: status as number, output };
}
const swaksRows: readonly [
  name: string,
  options: FixtureOptions,
  args: readonly string[],
  protocol: RegExp,
][] = [
  ["plain reception", {}, [], /with ESMTP\r/],
  ["reception with HELO", {}, ["--protocol", "SMTP"], /with SMTP\r/],
  ["pipelined reception", {}, ["--pipeline"], /with ESMTP\r/],
  ["LMTP", { mode: "lmtp" }, ["--protocol", "LMTP"], /with LMTP\r/],
];
for (const [name, options, args, protocol] of swaksRows) {
  test(`swaks delivers: ${name}`, async (t) => {
    if (!needs(t, "swaks")) return;
    const server = await smtpServer(t, options);
    const where = ["--server", "127.0.0.1", "--port", String(server.port), "--ehlo", "client.test"];
    const letter = ["--from", "ann@example.org", "--to", "bob@example.org", "--body", "dots:\n.\n..x\n"];
    const { status, output } = await run("swaks", [...where, ...letter, ...args]);
    assert.equal(status, 0, output);
    assert.equal(server.stored.length, 1);
    assert.match(server.stored[0]!.content, /dots:\r\n\.\r\n\.\.x\r\n/);
    assert.match(server.stored[0]!.prefix, protocol);
  });
}

const ann = ["--user", "ann@example.org:secret"];
const curlRows: readonly [
  name: string,
  options: FixtureOptions,
  args: readonly string[],
  protocol: RegExp,
][] = [
  ["reception after STARTTLS", {}, ["--ssl-reqd"], /with ESMTPS\r/],
  [
    "submission after STARTTLS, PLAIN",
    { mode: "submission" },
    ["--ssl-reqd", ...ann, "--login-options", "AUTH=PLAIN"],
    /with ESMTPSA\r/,
  ],
  [
    "submission after STARTTLS, LOGIN",
    { mode: "submission" },
    ["--ssl-reqd", ...ann, "--login-options", "AUTH=LOGIN"],
    /with ESMTPSA\r/,
  ],
  ["submission with implicit TLS", { mode: "submission", implicitTls: true }, ann, /with ESMTPSA\r/],
];
const curl = (options: FixtureOptions, port: number) => [
  "--silent",
  "--show-error",
  "--insecure",
  "--url",
  `${options.implicitTls ? "smtps" : "smtp"}://127.0.0.1:${port}/client.test`,
  "--mail-from",
  "ann@example.org",
  "--mail-rcpt",
  "bob@example.org",
];
for (const [name, options, args, protocol] of curlRows) {
  test(`curl delivers: ${name}`, async (t) => {
    if (!needs(t, "curl")) return;
    const server = await smtpServer(t, options);
    const letter = join(server.spool, "letter");
    await writeFile(letter, "From: ann@example.org\r\nSubject: x\r\n\r\n.\r\n..x\r\n");
    const { status, output } = await run("curl", [
      ...curl(options, server.port),
      "--upload-file",
      letter,
      ...args,
    ]);
    assert.equal(status, 0, output);
    assert.match(server.stored[0]!.content, /\r\n\r\n\.\r\n\.\.x\r\n$/);
    assert.match(server.stored[0]!.prefix, protocol);
  });
}

test("curl hears a wrong password, and exits with its code for that", async (t) => {
  if (!needs(t, "curl")) return;
  const options: FixtureOptions = { mode: "submission" };
  const server = await smtpServer(t, options);
  const args = [
    ...curl(options, server.port),
    "--ssl-reqd",
    "--user",
    "ann@example.org:no",
    "--upload-file",
    "/dev/null",
  ];
  const { status, output } = await run("curl", args);
  assert.equal(status, 67, output);
});

test("smtp-source sends from many connections at once and every message arrives", async (t) => {
  if (!needs(t, "smtp-source")) return;
  const server = await smtpServer(t, {});
  const args = [
    "-s",
    "10",
    "-m",
    "300",
    "-l",
    "4096",
    "-d",
    "-f",
    "x@y.test",
    "-t",
    "ann@example.org",
    `127.0.0.1:${server.port}`,
  ];
  const { status, output } = await run("smtp-source", args);
  assert.equal(status, 0, output);
  assert.equal(server.stored.length, 300);
  assert.ok(server.stored.every(({ content }) => content.length >= 4096));
});

/** 20 messages of 50 MB at once with MAILKEEP_BIG set, of 10 MB otherwise. The bound is the same. */
test("twenty big messages at once take less than 150 MB of memory", { timeout: 120_000 }, async (t) => {
  if (!needs(t, "smtp-source")) return;
  const size = process.env.MAILKEEP_BIG === undefined ? 10_000_000 : 50_000_000;
  const server = await smtpServer(t, { settings: { message: { sizeLimit: size * 2 } }, keepNothing: true });
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  const load = ["-s", "20", "-m", "20", "-l", String(size), "-f", "x@y.test", "-t", "ann@example.org"];
  const { status, output } = await run("smtp-source", [...load, `127.0.0.1:${server.port}`]);
  clearInterval(watch);
  assert.equal(status, 0, output);
  assert.equal(server.logged.filter(({ event }) => event === "accepted").length, 20);
  const grown = (peak - before) / 1e6;
  t.diagnostic(`20 messages of ${size / 1e6} MB at once: ${grown.toFixed(0)} MB more memory`);
  assert.ok(grown < 150, `memory grew by ${grown} MB`);
});
