/**
 * Postfix and Dovecot as Debian ships them, configured as DMS would (virtual users, Maildir, LMTP over a
 * unix socket), every delivery durable. Needs root, as Postfix does.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { version } from "../harness.ts";
import { endWithBench } from "./end-with-bench.ts";
import { pidIn } from "./pid-file.ts";
import { banner, freePort } from "./ports.ts";
import { type BenchPeer, benchPassword, benchUsers } from "./server.ts";

const run = promisify(execFile);
const templates = path.join(import.meta.dirname, "postfix-dovecot");

export const postfixDovecot: BenchPeer = {
  name: "Postfix+Dovecot",
  missing() {
    if (process.getuid?.() !== 0) return "Postfix needs root";
    for (const tool of ["/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/lib/dovecot/lmtp"])
      try {
        execFileSync("test", ["-x", tool]);
      } catch {
        return `${tool} is not installed`;
      }
    return undefined;
  },
  version() {
    return `Postfix ${version("/usr/sbin/postconf", "-d", "-h", "mail_version")}, Dovecot ${version("/usr/sbin/dovecot", "--version")}`;
  },
  async start(directory) {
    const { stdout } = await run("openssl", ["passwd", "-6", benchPassword]);
    const hash = stdout.trim();
    const [smtpPort, imapPort] = await Promise.all([freePort(), freePort()]);
    const conf = path.join(directory, "conf");
    for (const folder of [
      "conf/postfix",
      "conf/dovecot",
      "run/postfix/queue",
      "run/postfix/data",
      "run/dovecot",
      "mail",
    ])
      await fs.mkdir(path.join(directory, folder), { recursive: true });
    for (const [template, target] of [
      ["main.cf", "conf/postfix/main.cf"],
      ["master.cf", "conf/postfix/master.cf"],
      ["dovecot.conf", "conf/dovecot/dovecot.conf"],
    ] as const) {
      const text = await fs.readFile(path.join(templates, template), "utf8");
      const filled = text
        .replaceAll("@B@", directory)
        .replaceAll("@SMTP@", String(smtpPort))
        .replaceAll("@IMAP@", String(imapPort));
      await fs.writeFile(path.join(directory, target), filled);
    }
    const uid = Number((await run("id", ["-u", "mail"])).stdout);
    const gid = Number((await run("id", ["-g", "mail"])).stdout);
    await fs.appendFile(
      path.join(conf, "dovecot/dovecot.conf"),
      "\nauth_cache_size = 10M\nmail_uid = mail\nmail_gid = mail\nfirst_valid_uid = 1\n",
    );
    await fs.chown(path.join(directory, "mail"), uid, gid);
    await fs.chown(
      path.join(directory, "run/postfix/data"),
      Number((await run("id", ["-u", "postfix"])).stdout),
      0,
    );
    await fs.writeFile(
      path.join(conf, "dovecot/users"),
      benchUsers.map((user) => `${user}:{SHA512-CRYPT}${hash}::::::\n`).join(""),
    );
    await fs.writeFile(path.join(conf, "postfix/vmailbox"), benchUsers.map((user) => `${user} x\n`).join(""));
    await fs.writeFile(path.join(conf, "postfix/virtual"), "");
    // A unix socket below a private mkdtemp folder must still be reached by Postfix's own user.
    await fs.chmod(directory, 0o755);
    await fs.chmod(path.dirname(directory), 0o755);
    const dovecot = path.join(conf, "dovecot/dovecot.conf");
    await daemon("/usr/sbin/dovecot", ["-c", dovecot]);
    await daemon("/usr/sbin/postfix", ["-c", path.join(conf, "postfix"), "start"]);
    const pids = await Promise.all(
      ["run/postfix/queue/pid/master.pid", "run/dovecot/master.pid"].map((file) =>
        pidIn(path.join(directory, file)),
      ),
    );
    const guarded = endWithBench(pids);
    await Promise.all([banner(smtpPort), banner(imapPort)]);
    return {
      pids,
      smtpPort,
      imap: { port: imapPort, tls: false },
      users: benchUsers,
      password: benchPassword,
      async stop() {
        await run("/usr/sbin/postfix", ["-c", path.join(conf, "postfix"), "stop"]).catch(() => {});
        await run("/usr/bin/doveadm", ["-c", dovecot, "stop"]).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 500));
        guarded();
      },
    };
  },
};

/** A command that leaves a daemon behind: the daemon would keep inherited pipes open for ever. */
async function daemon(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: "ignore" });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
}
