/** The way to a machine, against a real sshd: who is let in, which key is trusted, what happens when it breaks. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { installed, skipWithout } from "../../../test/support/tools.ts";
import { HostError } from "../host-error.ts";
import { done, readText, writeText } from "../machine.ts";
import { type SshConnection, sshConnection } from "./connection-schema.ts";
import { Link } from "./link.ts";
import { SshMachine } from "./ssh-machine.ts";
import { type Sshd, startSshd } from "./testing/sshd.ts";

const skip = skipWithout(installed("/usr/sbin/sshd"), "openssh-server is not installed");
const directory = mkdtempSync(join(tmpdir(), "ssh-machine-"));
const limit = (milliseconds = 20_000) => ({ deadline: Date.now() + milliseconds });
let sshd: Sshd;
const links: Link[] = [];

before(async () => {
  if (!skip) sshd = await startSshd();
});
after(async () => {
  for (const link of links) await link.close();
  await sshd?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function connection(changes: Partial<SshConnection> = {}): SshConnection {
  return sshConnection.parse({
    type: "ssh",
    address: "127.0.0.1",
    port: sshd.port,
    user: sshd.user,
    hostKey: sshd.hostKeys.ed25519.fingerprint,
    auth: { type: "key", file: sshd.key },
    ...changes,
  });
}

function machine(changes: Partial<SshConnection> = {}): SshMachine {
  const to = connection(changes);
  const link = new Link(to);
  links.push(link);
  return new SshMachine(link, to);
}

const failsWith = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HostError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

test("a script gets its arguments and its input, and tells by its code and both outputs", {
  skip,
}, async () => {
  const ended = await machine().run(
    {
      what: "answer",
      text: 'cat; echo "$1|$2"; echo oops >&2; exit 3',
      args: ["it's $HOME `here`", ""],
      input: "one\ntwo\n",
    },
    limit(),
  );
  assert.deepEqual(ended, { code: 3, stdout: "one\ntwo\nit's $HOME `here`|\n", stderr: "oops\n" });
});

test("many scripts share one connection, more of them than sshd allows channels", { skip }, async () => {
  const one = machine();
  const ran = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      one.run({ what: "count", text: 'sleep 0.05; echo "$1 $PPID"', args: [String(index)] }, limit()),
    ),
  );
  assert.deepEqual(
    ran.map(({ stdout }) => Number(stdout.split(" ")[0])),
    Array.from({ length: 12 }, (_, index) => index),
  );
  assert.equal(new Set(ran.map(({ stdout }) => stdout.split(" ")[1])).size <= 12, true);
});

test("a file is written whole with its mode, and read again", { skip }, async () => {
  const path = join(directory, "a b", "note.txt");
  const one = machine();
  assert.equal(await readText(one, path, limit()), undefined);
  for (const text of ["first\n", "", "last 'line' \\ $x"]) {
    await writeText(one, { path, text, mode: "640" }, limit());
    assert.equal(await readText(one, path, limit()), text);
  }
  assert.equal(statSync(path).mode & 0o777, 0o640);
});

test("thirty megabytes go over in one stream", { skip }, async () => {
  const path = join(directory, "big");
  const blocks = Array.from({ length: 480 }, (_, index) => Buffer.alloc(65_536, index));
  await done(
    machine(),
    { what: "take a file", text: 'cat >"$1"', args: [path], input: Readable.from(blocks) },
    limit(60_000),
  );
  const sum = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(sum(readFileSync(path)), sum(Buffer.concat(blocks)));
});

test("a full disk in the middle of a stream is told as such", {
  skip: skip || skipWithout(process.getuid?.() === 0, "mounting needs root"),
}, async () => {
  const mount = mkdtempSync(join(tmpdir(), "small-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
  try {
    const input = () => Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(65_536)));
    await assert.rejects(
      done(
        machine(),
        { what: "take a file", text: 'cat >"$1"', args: [join(mount, "big")], input: input() },
        limit(),
      ),
      failsWith("no-space", /could not take a file: its disk is full/),
    );
  } finally {
    execFileSync("umount", [mount]);
    rmSync(mount, { recursive: true });
  }
});

test("the pinned key is accepted as a fingerprint of any type, or as the key itself", { skip }, async () => {
  for (const { line, fingerprint } of Object.values(sshd.hostKeys))
    for (const hostKey of [line, fingerprint])
      assert.equal(
        (await machine({ hostKey }).run({ what: "answer", text: "echo yes" }, limit())).stdout,
        "yes\n",
      );
});

test("another key than the pinned one ends the connection, and both fingerprints are named", {
  skip,
}, async () => {
  const foreign = execFileSync("ssh-keygen", ["-lf", `${sshd.foreignKey}.pub`], { encoding: "utf8" });
  const hostKey = foreign.split(" ")[1] ?? "";
  await assert.rejects(machine({ hostKey }).facts(limit()), (error) => {
    failsWith("host-key", /Nothing was sent/)(error);
    const { message } = error as Error;
    assert.ok(message.includes(hostKey), message);
    assert.ok(message.includes(sshd.hostKeys.ed25519.fingerprint), message);
    return true;
  });
});

test("the ssh agent logs in", { skip }, async () => {
  const socket = join(directory, "agent");
  const agent = execFileSync("ssh-agent", ["-s", "-a", socket], { encoding: "utf8" });
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent)?.[1]);
  try {
    execFileSync("ssh-add", ["-q", sshd.key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    assert.equal((await machine({ auth: { type: "agent", socket } }).facts(limit())).sshPort, sshd.port);
  } finally {
    process.kill(pid);
  }
});

test("a key with a passphrase logs in with it, and says what is missing without", { skip }, async () => {
  const privateKey = readFileSync(sshd.encryptedKey, "utf8");
  const passphrase = "open sesame";
  await machine({ auth: { type: "key", privateKey, passphrase } }).facts(limit());
  for (const wrong of [{}, { passphrase: "not it" }])
    await assert.rejects(
      machine({ auth: { type: "key", privateKey, ...wrong } }).facts(limit()),
      failsWith("invalid", /encrypted; its passphrase is missing or wrong/),
    );
});

test("what cannot log in is told at once, without the secret", { skip }, async () => {
  const cases: [SshConnection["auth"], string, RegExp][] = [
    [{ type: "key", file: sshd.foreignKey }, "permission", /does not take the key declared for/],
    [{ type: "password", password: "hunter2" }, "permission", /does not take the password/],
    [{ type: "key", file: "/nowhere/key" }, "invalid", /\/nowhere\/key cannot be read \(ENOENT\)/],
    [{ type: "key", privateKey: "hunter2" }, "invalid", /it is no private key/],
    [{ type: "agent", socket: "/nowhere/agent" }, "invalid", /agent cannot be used/],
  ];
  for (const [auth, code, message] of cases)
    await assert.rejects(machine({ auth }).facts(limit()), (error) => {
      failsWith(code, message)(error);
      assert.doesNotMatch((error as Error).message, /hunter2/);
      return true;
    });
});

test("a machine that refuses, is silent or has no name is unreachable within the limit", {
  skip,
}, async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise((listening) => silent.once("listening", listening));
  const { port } = silent.address() as { port: number };
  const cases: [Partial<SshConnection>, RegExp][] = [
    [{ port: 1 }, /127\.0\.0\.1 port 1 cannot be reached by ssh: ECONNREFUSED/],
    [{ port }, /did not answer by ssh in time/],
    [{ address: "nowhere.invalid" }, /nowhere\.invalid.*(cannot be reached|did not answer)/],
  ];
  for (const [changes, message] of cases) {
    const began = Date.now();
    await assert.rejects(machine(changes).facts(limit(1_500)), failsWith("unreachable", message));
    assert.ok(Date.now() - began < 10_000);
  }
  silent.close();
});

test("the way leads through a jump host, whose key is pinned, too", { skip }, async () => {
  const jump = await startSshd({ hostKeyTypes: ["ed25519"] });
  try {
    const over = sshConnection.shape.jump.unwrap().parse({
      address: "127.0.0.1",
      port: jump.port,
      user: jump.user,
      hostKey: jump.hostKeys.ed25519.line,
      auth: { type: "key", file: jump.key },
    });
    assert.equal((await machine({ jump: over }).facts(limit())).sshPort, sshd.port);
    await assert.rejects(
      machine({ jump: { ...over, hostKey: jump.hostKeys.rsa.fingerprint } }).facts(limit()),
      failsWith("host-key", new RegExp(`port ${jump.port} shows the host key`)),
    );
    await assert.rejects(
      machine({ jump: over, port: 1 }).facts(limit()),
      failsWith("unreachable", new RegExp(`port ${jump.port} does not connect on to 127.0.0.1 port 1`)),
    );
  } finally {
    await jump.stop();
  }
});

test("a connection that breaks fails what runs as unreachable, and the next script dials again", {
  skip,
}, async () => {
  const one = machine();
  await assert.rejects(
    one.run({ what: "wait", text: 'kill -9 $(ps -o ppid= -p "$PPID"); sleep 60' }, limit()),
    failsWith("unreachable", /broke while it was to wait/),
  );
  assert.equal((await one.run({ what: "answer", text: "echo back" }, limit())).stdout, "back\n");
});

test("a script that takes too long is ended on the machine", { skip }, async () => {
  const one = machine();
  const mark = join(directory, "late");
  await one.facts(limit());
  await assert.rejects(
    one.run({ what: "wait", text: 'echo $$ >"$1"; sleep 60', args: [mark] }, limit(3_000)),
    failsWith("unreachable", /could not wait in time/),
  );
  const pid = Number(readFileSync(mark, "utf8"));
  const alive = await one.run(
    {
      what: "look",
      text: 'for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2>/dev/null || exit 1; sleep 0.2; done',
      args: [String(pid)],
    },
    limit(),
  );
  assert.equal(alive.code, 1);
});

test("nothing connects before the first operation", { skip }, () => {
  assert.ok(machine({ port: 1 }));
});
