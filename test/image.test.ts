/**
 * The image on a real Docker engine: a docker-mailserver's configuration directory mounted as it is, real clients at its
 * ports, and no more privileges than it needs.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { buildImage, type Docker, openDocker } from "./support/docker.ts";
import { needs, run } from "./support/tools.ts";

const directory = mkdtempSync(join(tmpdir(), "mailkeep-image-"));
const containers: string[] = [];
let docker: Docker;
let image: string;
let reason: string | undefined;

/** Everything the container may do; Docker's own list is longer. */
const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "SETPCAP", "NET_BIND_SERVICE"];
before(async () => {
  const opened = await openDocker();
  if (typeof opened === "string") {
    reason = opened;
    return;
  }
  docker = opened;
  image = await buildImage(docker);
});
after(async () => {
  for (const container of containers) await docker.ask(["rm", "--force", "--volumes", container]);
  await docker?.end();
  rmSync(directory, { recursive: true, force: true });
});

/** Volumes as `docker compose` of a docker-mailserver has them. */
function volumes(name: string): Record<"config" | "mail" | "state" | "log", string> {
  const made = Object.fromEntries(
    ["config", "mail", "state", "log"].map((volume) => {
      const path = join(directory, name, volume);
      mkdirSync(path, { recursive: true });
      return [volume, path];
    }),
  );
  return made as Record<"config" | "mail" | "state" | "log", string>;
}

async function start(name: string, options: readonly string[] = [], command: readonly string[] = []) {
  const { config, mail, state, log } = volumes(name);
  const id = await docker.do([
    ...["run", "--detach", "--hostname", "mail.green.test", "--read-only", "--tmpfs", "/run"],
    ...["--cap-drop", "ALL", ...capabilities.flatMap((one) => ["--cap-add", one])],
    ...["--volume", `${config}:/tmp/docker-mailserver`, "--volume", `${mail}:/var/mail`],
    ...["--volume", `${state}:/var/mail-state`, "--volume", `${log}:/var/log/mail`],
    ...options,
    image,
    ...command,
  ]);
  containers.push(id);
  return id;
}
const logs = async (id: string) => {
  const { stdout, stderr } = await docker.ask(["logs", id]);
  return stdout + stderr;
};
const addressOf = (id: string) =>
  docker.do(["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id]);
const stateOf = async (id: string) =>
  JSON.parse(await docker.do(["inspect", "--format", "{{json .State}}", id]));

async function greeting(host: string, port: number, patience = 60_000): Promise<string> {
  for (const until = Date.now() + patience; ; await wait(25)) {
    const said = await new Promise<string>((resolve) => {
      const socket = connect({ host, port });
      socket.setTimeout(5_000, () => socket.destroy());
      socket.on("data", (chunk) => {
        resolve(chunk.toString());
        socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(""));
    });
    if (said !== "" || Date.now() > until) return said;
  }
}

test("a docker-mailserver's directory, mounted as it is, serves real clients without root", async (t) => {
  if (reason !== undefined) return t.skip(reason);
  if (!needs(t, "swaks", "curl", "openssl")) return;
  const { config, mail } = volumes("dms");
  // As its administrator has it: their own user's files, and a key that is root's.
  const hash = await run("openssl", ["passwd", "-6", "a secret"]);
  writeFileSync(join(config, "postfix-accounts.cf"), `anna@green.test|{SHA512-CRYPT}${hash.stdout.trim()}\n`);
  writeFileSync(join(config, "postfix-virtual.cf"), "info@green.test anna@green.test\n");
  writeFileSync(join(config, "user-patches.sh"), '#!/bin/bash\necho "patched as user $(id -u)"\n');
  mkdirSync(join(config, "ssl"));
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=mail.green.test", "-addext", "subjectAltName=DNS:mail.green.test"],
    ...["-keyout", join(config, "ssl/key.pem"), "-out", join(config, "ssl/cert.pem")],
  ]);
  for (const file of ["", "postfix-accounts.cf", "postfix-virtual.cf"])
    chownSync(join(config, file), 1000, 1000);
  chmodSync(join(config, "postfix-accounts.cf"), 0o600);
  chmodSync(join(config, "ssl/key.pem"), 0o600);
  const id = await start("dms", [
    ...["--env", "SSL_TYPE=manual", "--env", "SSL_CERT_PATH=/tmp/docker-mailserver/ssl/cert.pem"],
    ...["--env", "SSL_KEY_PATH=/tmp/docker-mailserver/ssl/key.pem"],
  ]);
  const host = await addressOf(id);
  assert.match(await greeting(host, 25), /^220 mail\.green\.test /, await logs(id));
  assert.match(await greeting(host, 143), /^\* OK /);
  assert.match(await logs(id), /patched as user 0[\s\S]*user-patches\.sh ran/);

  await t.test("the server runs as the mail user, with two capabilities and no way to more", async () => {
    const status = await docker.do(["exec", id, "cat", "/proc/1/status"]);
    assert.match(status, /^Uid:\t5000\t5000\t5000\t5000$/m);
    assert.match(status, /^Groups:\t\s*$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    // DAC_OVERRIDE (bit 1) for the administrator's files, NET_BIND_SERVICE (bit 10).
    for (const set of ["Prm", "Eff", "Bnd"])
      assert.match(status, new RegExp(`^Cap${set}:\t0000000000000402$`, "m"));
  });
  await t.test("mail is submitted by swaks and read by curl", async () => {
    const sent = await run("swaks", [
      ...["--server", host, "--port", "465", "--tlsc", "--auth", "PLAIN", "--timeout", "30"],
      ...["--auth-user", "anna@green.test", "--auth-password", "a secret"],
      ...["--from", "anna@green.test", "--to", "info@green.test", "--header", "Subject: from the container"],
    ]);
    assert.equal(sent.code, 0, sent.stdout + sent.stderr);
    const read = await run("curl", [
      ...["--silent", "--show-error", "--cacert", join(config, "ssl/cert.pem")],
      ...["--resolve", `mail.green.test:993:${host}`, "--user", "anna@green.test:a secret"],
      "imaps://mail.green.test/INBOX;MAILINDEX=1",
    ]);
    assert.equal(read.code, 0, read.stderr);
    assert.match(read.stdout, /^Subject: from the container/m);
    assert.ok(readdirSync(join(mail, "green.test/anna")).includes("cur"));
    assert.equal(statSync(join(mail, "green.test/anna")).uid, 5000);
  });
  await t.test("setup works inside, and a file it changes keeps its owner", async () => {
    assert.match(
      await docker.do(["exec", id, "setup", "email", "list"]),
      /^\* anna@green\.test \( .* \/ ~ \)/m,
    );
    await docker.do(["exec", id, "setup", "email", "add", "ben@green.test", "another secret"]);
    const { uid, mode } = statSync(join(config, "postfix-accounts.cf"));
    assert.equal(uid, 1000);
    assert.equal(mode & 0o777, 0o600);
    const wrong = await docker.ask(["exec", id, "setup", "nonsense"]);
    assert.equal(wrong.code, 2);
  });
  await t.test("its own probe makes it healthy for Docker", async () => {
    const { stdout, code } = await docker.ask(["exec", id, "mailkeep", "health"]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^(?:healthy|degraded), probed /);
    assert.match(stdout, /✓ store and IMAP.*read and deleted/);
    const health = JSON.parse(await docker.do(["inspect", "--format", "{{json .Config.Healthcheck}}", id]));
    assert.deepEqual(health.Test, ["CMD", "/usr/local/bin/mailkeep", "health"]);
  });
  await t.test("operations go in and come out by docker exec -i", async () => {
    const answer = await docker.do(["exec", "--interactive", id, "mailkeep", "admin"], {
      input: '{"operation":"status","request":{}}\n',
    });
    assert.equal(JSON.parse(answer).answer.pid, 1);
  });
  await t.test("it carries the documentation of its version", async () => {
    assert.match(await docker.do(["exec", id, "mailkeep", "docs"]), /^mailkeep \d.*\n[\s\S]* spam /);
    assert.match(await docker.do(["exec", id, "mailkeep", "docs", "spam"]), /^# /);
  });
  await t.test(
    "a stop under load ends within ten seconds and loses nothing that was acknowledged",
    async () => {
      const acknowledged: string[] = [];
      const sending = Promise.all([1, 2, 3].map((n) => sendUntilRefused(host, `load${n}`, acknowledged)));
      await wait(700);
      const began = Date.now();
      await docker.do(["stop", id]);
      assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`);
      await sending;
      const { ExitCode, OOMKilled } = await stateOf(id);
      assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false });
      assert.ok(acknowledged.length > 0);
      const kept = await run("grep", ["-rhoE", "^Message-ID: <load[^>]*>", join(mail, "green.test/anna")]);
      const found = new Set(kept.stdout.match(/<[^>]+>/g));
      assert.deepEqual(
        acknowledged.filter((one) => !found.has(one)),
        [],
      );
    },
  );
});

/** Sends message after message to one account; names those whose DATA was answered with 250. */
async function sendUntilRefused(host: string, name: string, acknowledged: string[]): Promise<void> {
  const socket = connect({ host, port: 25 });
  socket.on("error", () => {});
  let buffer = "";
  let wake = () => {};
  let over = false;
  socket.setEncoding("utf8").on("data", (text: string) => {
    buffer += text;
    wake();
  });
  socket.on("close", () => {
    over = true;
    wake();
  });
  const reply = async (): Promise<string> => {
    for (;;) {
      const found = /^\d{3} .*\r\n/m.exec(buffer);
      if (found) {
        buffer = buffer.slice(found.index + found[0].length);
        return found[0];
      }
      if (over) throw new Error("closed");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  try {
    await reply();
    for (let n = 0; ; n++) {
      const id = `<${name}.${n}@client.test>`;
      const text = `Message-ID: ${id}\r\nFrom: <>\r\nSubject: load\r\n\r\nx\r\n.\r\n`;
      for (const line of n === 0 ? ["EHLO client.test\r\n"] : []) {
        socket.write(line);
        await reply();
      }
      for (const line of [
        "MAIL FROM:<a@client.test>\r\n",
        "RCPT TO:<anna@green.test>\r\n",
        "DATA\r\n",
        text,
      ]) {
        socket.write(line);
        const answer = await reply();
        if (/^[45]/.test(answer)) return;
        if (line === text) acknowledged.push(id);
      }
    }
  } catch {
    // The server closed the connection: what was not answered was not taken.
  } finally {
    socket.destroy();
  }
}

test("what the container needs and does not have is said in one sentence", async (t) => {
  if (reason !== undefined) return t.skip(reason);
  const { config } = volumes("patches");
  writeFileSync(join(config, "user-patches.sh"), "postconf -e compatibility_level=3\nexit 3\n");
  const stopped = await start("patches", ["--env", "USER_PATCHES_FAILURE=stop"]);
  assert.equal(await docker.do(["wait", stopped]), "1");
  const said = await logs(stopped);
  assert.match(said, /user-patches\.sh, line 1: it addresses Postfix, which is not part of this server/);
  assert.match(said, /ended with code 3; the server is not started \(USER_PATCHES_FAILURE=stop\)/);

  const foreign = await start("foreign", ["--user", "1234"]);
  assert.equal(await docker.do(["wait", foreign]), "1");
  assert.match(
    await logs(foreign),
    /docker-mailserver cannot be written by user 1234 .*: give it to that user/,
  );
});
