/**
 * A stack on a bare Debian machine, the whole of its life: the embedded engine, a real sshd, systemd, nftables, and mail by
 * clients that are not ours.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bootMachine, type DebianMachine, noMachines } from "../../../test/support/debian-machine.ts";
import { run } from "../../../test/support/tools.ts";
import { PASSPHRASE, type TestStack, testStack } from "../../engine/testing/stack.ts";
import { createProvider } from "../../provider/provider.ts";
import { machineStack, PASSWORD } from "./testing/machine-stack.ts";

const skip = noMachines() ?? false;
const LAUNCHER = fileURLToPath(new URL("../../cli/mailkeep.js", import.meta.url));
const warnings: string[] = [];
const providers = {
  mailkeep: () => createProvider({ warn: (_urn, message) => void warnings.push(message) }),
};

/** What the last operation did, without what stayed the same. */
const changesOf = (stack: TestStack): string[] =>
  stack.events.flatMap((event) =>
    event.kind === "step-done" && event.step.op !== "same" ? [`${event.step.op} ${event.step.name}`] : [],
  );

function succeeded(stack: TestStack, result: { succeeded: boolean }): void {
  assert.deepEqual(stack.errors(), []);
  assert.ok(result.succeeded);
}

/** What curl sees of a mailbox's INBOX. */
async function messages(machine: DebianMachine, user: string, ca: string) {
  const { code, stdout, stderr } = await run("curl", [
    ...["-sS", "--max-time", "20", "--cacert", ca, "--resolve", `mail.green.test:993:${machine.address}`],
    ...["-u", `${user}:${PASSWORD}`, "-X", "STATUS INBOX (MESSAGES)", "imaps://mail.green.test/"],
  ]);
  return { code, text: stdout + stderr };
}

describe("a stack on a bare Debian machine", { skip, concurrency: false, timeout: 400_000 }, () => {
  let machine: DebianMachine;
  let stack: TestStack;
  const ca = join(tmpdir(), `ca-${process.pid}.pem`);
  const declared = (...further: string[]) => machineStack(machine, ["anna@green.test", ...further]);

  const ends: (() => unknown)[] = [];
  before(async () => {
    machine = await bootMachine();
    stack = testStack({ after: (end) => end && ends.push(end as () => void) }, { providers });
  });
  after(() => {
    for (const end of ends) end();
    machine?.stop();
    rmSync(ca, { force: true });
  });

  test("up makes it a mail host that takes mail at port 25 and shows it by IMAP", async () => {
    // Every command line that lives for a moment there is noted.
    machine.run(
      'nohup sh -c \'while :; do for line in /proc/[0-9]*/cmdline; do tr "\\0" " " <$line; echo; done; sleep 0.02; done\' ' +
        ">/tmp/command-lines 2>/dev/null </dev/null & echo $! >/tmp/watcher",
    );
    succeeded(stack, await stack.up(declared()));
    machine.run("kill $(cat /tmp/watcher)");
    writeFileSync(ca, machine.run("cat /var/lib/mailkeep/config/ca.pem"));
    const sent = await run("swaks", [
      ...["--server", machine.address, "--helo", "source.test", "--timeout", "20"],
      ...["--from", "someone@source.test", "--to", "anna@green.test"],
    ]);
    assert.equal(sent.code, 0, sent.stdout);
    const seen = await messages(machine, "anna@green.test", ca);
    assert.match(seen.text, /MESSAGES 1/);
  });

  test("no secret stands in a command line of the machine, in its files in plain, or in the state", () => {
    const lines = machine.run("sort -u /tmp/command-lines");
    assert.match(lines, /mailserver-runtime/);
    const key = readFileSync(machine.key, "utf8").split("\n")[2] ?? "";
    for (const secret of [PASSWORD, key]) {
      assert.ok(!lines.includes(secret));
      assert.ok(!readFileSync(stack.files.checkpoint, "utf8").includes(secret));
      assert.equal(
        machine.run(`grep -rlF -e '${secret}' /var/lib/mailkeep /etc/mailkeep /opt/mailkeep/owner || true`),
        "",
      );
    }
  });

  test("the server has no right but to bind low ports, and no other door is open", async () => {
    const status = machine.run("cat /proc/$(systemctl show -p MainPID --value mailkeep)/status");
    assert.doesNotMatch(status, /^Uid:\s+0/m);
    assert.match(status, /^CapBnd:\s+0000000000000400$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    // 8025 is nobody's: what is dropped does not even refuse.
    const closed = await run("curl", ["-sS", "--max-time", "1", `telnet://${machine.address}:8025`]);
    assert.match(closed.stderr, /timed out/i);
  });

  test("then nothing is left to change, and a refresh finds all as it was declared", async () => {
    for (const look of [
      () => stack.preview(declared()),
      () => stack.refresh(),
      () => stack.preview(declared()),
    ]) {
      succeeded(stack, await look());
      assert.deepEqual(changesOf(stack), []);
    }
    assert.deepEqual(warnings, []);
  });

  test("the stack's command line asks the machine: log, explain and queue", async () => {
    const project = mkdtempSync(join(tmpdir(), "ssh-project-"));
    ends.push(() => rmSync(project, { recursive: true, force: true }));
    writeFileSync(join(project, "Pulumi.yaml"), "name: project\nruntime: nodejs\nmain: index.js\n");
    writeFileSync(join(project, "index.js"), "");
    const mailkeep = (...args: string[]) =>
      run(process.execPath, [LAUNCHER, ...args, "--stack", "test"], {
        cwd: project,
        env: { PULUMI_BACKEND_URL: `file://${stack.files.backend}`, PULUMI_CONFIG_PASSPHRASE: PASSPHRASE },
      });
    const logs = await mailkeep("logs", "--lines", "20");
    assert.match(logs.stdout, /anna@green\.test/, logs.stderr);
    const explained = await mailkeep("explain", "anna@green.test");
    assert.match(explained.stdout, /anna@green\.test/, explained.stderr);
    const queue = await mailkeep("queue", "list", "--json");
    assert.equal(queue.code, 0, queue.stderr);
  });

  test("one more mailbox is one more resource, and its login works", async () => {
    succeeded(stack, await stack.up(declared("ben@green.test")));
    assert.deepEqual(changesOf(stack), ["create mail-ben@green.test"]);
    assert.equal((await messages(machine, "ben@green.test", ca)).code, 0);
  });

  test("what somebody changed on the machine shows in a preview, and up undoes it", async () => {
    machine.run(
      "sed -i s/LimitNOFILE=65536/LimitNOFILE=64/ /etc/systemd/system/mailkeep.service" +
        " && nft add rule inet mailkeep input tcp dport 8025 accept" +
        " && systemctl stop mailkeep",
    );
    succeeded(stack, await stack.preview(declared("ben@green.test")));
    assert.deepEqual(changesOf(stack).sort(), [
      "update mail-firewall",
      "update mail-server",
      "update mail-unit",
    ]);
    assert.match(warnings.join("\n"), /mailkeep\.service was changed on the host/);
    assert.match(warnings.join("\n"), /the firewall's rules were changed on the host/);
    assert.match(warnings.join("\n"), /the server is not running/);
    succeeded(stack, await stack.up(declared("ben@green.test")));
    assert.doesNotMatch(machine.run("nft list table inet mailkeep"), /8025/);
    assert.match(machine.run("cat /etc/systemd/system/mailkeep.service"), /LimitNOFILE=65536/);
    assert.match((await messages(machine, "anna@green.test", ca)).text, /MESSAGES 1/);
    succeeded(stack, await stack.preview(declared("ben@green.test")));
    assert.deepEqual(changesOf(stack), []);
  });

  test("after nftables flushed everything, its own restart brings the firewall back", () => {
    machine.run("systemctl restart nftables");
    assert.match(machine.run("nft list table inet mailkeep"), /dport \{ 22, 25, /);
  });

  test("another host key than the pinned one ends it before anything is sent", async () => {
    const foreign = `SHA256:${"A".repeat(43)}`;
    const result = await stack.preview(machineStack({ ...machine, hostKey: foreign }, ["anna@green.test"]));
    assert.equal(result.succeeded, false);
    const said = stack.errors().join("\n");
    assert.ok(said.includes(foreign) && said.includes(machine.hostKey), said);
  });

  test("destroy leaves mail, keys and configuration, and nothing else", async () => {
    succeeded(stack, await stack.destroy());
    const left = machine.run("ls /opt /etc/mailkeep; ls /etc/systemd/system | grep mailkeep || true");
    assert.equal(left.trim(), "/etc/mailkeep:\n\n/opt:");
    // Tables of others stay.
    assert.match(machine.run("nft list tables"), /^table inet filter$/m);
    assert.doesNotMatch(machine.run("nft list tables"), /mailkeep/);
    assert.match(machine.run("find /var/lib/mailkeep/mail -type f"), /green\.test\/anna\/.*S=/);
    assert.match(machine.run("ls /var/lib/mailkeep/config"), /ca\.pem/);
  });
});

/** Each of them is the last thing made before the kill; all resources with MAILKEEP_SSH_KILLS=all. */
const fatal =
  process.env.MAILKEEP_SSH_KILLS === "all"
    ? [
        ...[
          "mail-packages",
          "mail-runtime",
          "mail-firewall",
          "mail-directories",
          "mail-settings",
          "mail-unit",
        ],
        ...[
          "mail-certificate",
          "mail-mk1-green.test",
          "mail-green.test",
          "mail-server",
          "mail-anna@green.test",
        ],
      ]
    : ["mail-server"];

test("after kill -9 behind any resource the next up finds what was made and finishes", {
  skip,
  timeout: 600_000,
}, async (t) => {
  const machine = await bootMachine();
  t.after(() => machine.stop());
  const stack = testStack(t, { providers });
  for (const name of fatal) {
    const child = spawn(
      process.execPath,
      [
        fileURLToPath(new URL("testing/killed-up.ts", import.meta.url)),
        ...[stack.files.backend, machine.address, machine.key, machine.hostKey, name],
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    const [, signal] = await once(child, "exit");
    assert.equal(signal, "SIGKILL", name);
    succeeded(stack, await stack.up(machineStack(machine)));
    succeeded(stack, await stack.preview(machineStack(machine)));
    assert.deepEqual(changesOf(stack), [], name);
    assert.equal(machine.run("systemctl is-active mailkeep").trim(), "active");
    succeeded(stack, await stack.destroy());
  }
});
