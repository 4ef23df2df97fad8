/** The whole server, real clients on loopback addresses of their own, and `setup fail2ban`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { perform } from "../admin/operations.ts";
import { setupIn } from "../cli/setup/setup-harness.ts";
import { type RunningServer, startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";

const ATTACKER = "127.0.0.2";
const OTHER = "127.0.0.3";
const owner = "urn:test";

async function mailHost(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-banned-"));
  const directories = directoriesBelow(root);
  const context = { directories, version: "1" };
  await perform("certificate.put", { names: ["localhost"], issuer: { type: "local-ca" }, owner }, context);
  const password = { text: "right", policy: "initial" } as const;
  await perform("mailbox.put", { address: "ann@example.org", owner, password }, context);
  const on = (protocol: "smtp" | "imaps") => ({ protocol, address: "127.0.0.1", port: 0 });
  await perform(
    "settings.put",
    {
      owner,
      settings: {
        hostname: "mail.example.org",
        listeners: [on("smtp"), on("imaps")],
        ban: { maxRetry: 3, neverBanned: [], nftables: "never" },
      },
    },
    context,
  );
  let server: RunningServer | undefined;
  const start = async () => {
    server = await startServer({
      directories,
      env: {},
      version: "1",
      logToStdout: false,
      onStopRequested() {},
    });
  };
  const stop = async () => {
    await server?.stop(0);
    server = undefined;
  };
  t.after(async () => {
    await stop();
    await rm(root, { recursive: true, force: true });
  });
  await start();
  const port = (protocol: string) =>
    server!.listeners().find((listener) => listener.protocol === protocol)!.port;
  return { directories, start, stop, port };
}

/** curl's exit code: 0 logged in, 67 refused by the server, others: no session came about. */
function curlImap(port: number, from: string, password: string): Promise<number> {
  const args = ["-sk", "--max-time", "10", "--interface", from, "-u", `ann@example.org:${password}`];
  return new Promise((resolve) => {
    execFile("curl", [...args, `imaps://127.0.0.1:${port}/`], (error) => {
      resolve(typeof error?.code === "number" ? error.code : 0);
    });
  });
}

/** What the server says first on this port, "" where it ends the connection without a byte. */
function firstWords(port: number, from: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", localAddress: from });
    socket.setEncoding("utf8").on("error", () => undefined);
    socket.on("data", (chunk: string) => {
      text += chunk;
      socket.destroy();
    });
    socket.on("close", () => resolve(text));
  });
}

const LOGGED_IN = 0;
const LOGIN_DENIED = 67;

test("failed logins ban an address on every port before a byte is served, across a restart, until it is unbanned", async (t) => {
  const host = await mailHost(t);
  const { setup, works } = setupIn(() => host.directories);
  assert.equal(await curlImap(host.port("imaps"), OTHER, "right"), LOGGED_IN);
  assert.match(await works("fail2ban"), /No IPs have been banned/);

  const guesses = await Promise.all(
    [1, 2, 3].map((n) => curlImap(host.port("imaps"), ATTACKER, `wrong${n}`)),
  );
  assert.deepEqual(guesses, [LOGIN_DENIED, LOGIN_DENIED, LOGIN_DENIED]);
  const refused = await curlImap(host.port("imaps"), ATTACKER, "right");
  assert.ok(![LOGGED_IN, LOGIN_DENIED].includes(refused), `curl ended with ${refused}`);
  assert.equal(await firstWords(host.port("smtp"), ATTACKER), "");
  assert.match(await firstWords(host.port("smtp"), OTHER), /^220 /);
  assert.equal(await curlImap(host.port("imaps"), OTHER, "right"), LOGGED_IN);
  assert.equal(await works("fail2ban"), `Banned in dovecot: ${ATTACKER}\n`);

  await host.stop();
  const without = await setup("fail2ban");
  assert.equal(without.code, 1);
  assert.match(without.err, /Fail2ban not running/);
  await host.start();
  assert.equal(await firstWords(host.port("smtp"), ATTACKER), "");
  assert.match(await firstWords(host.port("smtp"), OTHER), /^220 /);

  assert.equal(await works(`fail2ban unban ${ATTACKER}`), "Unbanned IP from dovecot: 1\n");
  assert.equal(await curlImap(host.port("imaps"), ATTACKER, "right"), LOGGED_IN);
  assert.match(await works("fail2ban log"), /NOTICE {2}\[dovecot\] Ban 127\.0\.0\.2 .*Unban 127\.0\.0\.2/s);
});

test("setup fail2ban bans by hand, and speaks as docker-mailserver does", async (t) => {
  const host = await mailHost(t);
  const { setup, works, fails } = setupIn(() => host.directories);
  assert.equal(await works(`fail2ban ban ${ATTACKER}`), "Banned custom IP: 1\n");
  assert.equal(await firstWords(host.port("smtp"), ATTACKER), "");
  assert.equal(await works("fail2ban ban 192.0.66.0/24 192.0.77.1"), "Banned custom IP: 2\n");
  assert.equal(await works("fail2ban"), `Banned in custom: ${ATTACKER} 192.0.66.0/24 192.0.77.1\n`);
  const again = await setup(`fail2ban ban ${ATTACKER}`);
  assert.equal(again.code, 0);
  assert.match(again.err, /Banning '127\.0\.0\.2' failed\. Already banned\?/);
  const status = await works("fail2ban status");
  assert.match(status, /Status for the jail: custom\n\|- Filter\n/);
  assert.match(status, /Currently banned:\t3\n/);
  assert.equal(await works("fail2ban unban 192.0.66.0/24"), "Unbanned IP from custom: 1\n");
  assert.equal(await works("fail2ban unban 192.0.2.99"), "");
  for (const action of ["ban", "unban"]) {
    const { code, err } = await setup(`fail2ban ${action}`);
    assert.equal(code, 0);
    assert.match(err, /You need to specify an IP address: Run '\.\/setup\.sh fail2ban/);
  }
  await fails("fail2ban ban mail.example.org", /is no IP address/);
  await fails("fail2ban frobnicate", /Unknown command 'frobnicate'/);
});

test("unknown recipients, relaying and another protocol than SMTP (RFC 5321) are offences of the postfix jail", async (t) => {
  const host = await mailHost(t);
  const { works } = setupIn(() => host.directories);
  assert.match(await firstWords(host.port("smtp"), OTHER), /^220 /);
  const talk = (lines: readonly string[]) =>
    new Promise<string>((resolve) => {
      let text = "";
      const socket = connect({ port: host.port("smtp"), host: "127.0.0.1", localAddress: ATTACKER });
      const rest = [...lines];
      socket.setEncoding("latin1").on("error", () => undefined);
      socket.on("data", (chunk: string) => {
        text += chunk;
        if (/^\d{3} .*\r\n$/m.test(chunk)) socket.write(`${rest.shift() ?? "QUIT"}\r\n`);
      });
      socket.on("close", () => resolve(text));
    });
  const said = await talk([
    "EHLO client.example.net",
    "MAIL FROM:<x@example.net>",
    "RCPT TO:<nobody@example.org>",
    "RCPT TO:<else@where.test>",
  ]);
  assert.match(said, /550 5\.1\.1/);
  assert.match(said, /554 5\.7\.1 Relay/);
  assert.match(
    await works("fail2ban status"),
    /jail: postfix\n\|- Filter\n\|.*Currently failed:\t1\n\|.*Total failed:\t2/,
  );
  await talk(["GET / HTTP/1.1"]);
  assert.equal(await works("fail2ban"), `Banned in postfix: ${ATTACKER}\n`);
});
