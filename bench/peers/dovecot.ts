/** Dovecot as Debian ships it, IMAP alone: Maildir, TLS, durable, its auth cache on and its caches at their defaults. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { version } from "../harness.ts";
import { endWithBench } from "./end-with-bench.ts";
import type { ImapBenchPeer } from "./imap-server.ts";
import { pidIn } from "./pid-file.ts";
import { freePort, opens } from "./ports.ts";

const run = promisify(execFile);
const template = path.join(import.meta.dirname, "dovecot/dovecot.conf");

export const dovecot: ImapBenchPeer = {
  name: "Dovecot",
  missing() {
    if (process.getuid?.() !== 0) return "Dovecot needs root";
    return existsSync("/usr/lib/dovecot/imap") ? undefined : "dovecot-imapd is not installed";
  },
  version: () => `Dovecot ${version("/usr/sbin/dovecot", "--version")}`,
  async start(directory, hashes) {
    const port = await freePort();
    const conf = path.join(directory, "conf");
    for (const folder of ["conf", "run/dovecot", "mail"])
      await fs.mkdir(path.join(directory, folder), { recursive: true });
    const text = await fs.readFile(template, "utf8");
    const file = path.join(conf, "dovecot.conf");
    await fs.writeFile(file, text.replaceAll("@B@", directory).replaceAll("@PORT@", String(port)));
    await fs.writeFile(
      path.join(conf, "users"),
      [...hashes].map(([user, hash]) => `${user}:{SHA512-CRYPT}${hash}::::::\n`).join(""),
    );
    if (!existsSync(path.join(conf, "key.pem"))) {
      await certificate(conf);
      // Its mail belongs to Debian's user "mail", who must be able to reach it below a private mkdtemp folder.
      for (const folder of [directory, path.dirname(directory)]) await fs.chmod(folder, 0o755);
      execFileSync("chown", ["-R", "mail:mail", path.join(directory, "mail")]);
    }
    const child = spawn("/usr/sbin/dovecot", ["-c", file], { stdio: "ignore" });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    if (code !== 0) throw new Error(`dovecot -c ${file} ended with ${code}`);
    await opens(port);
    const pidFile = path.join(directory, "run/dovecot/master.pid");
    const pid = await pidIn(pidFile);
    const guarded = endWithBench([pid]);
    return {
      pids: [pid],
      port,
      async stop() {
        await run("/usr/bin/doveadm", ["-c", file, "stop"]);
        while (existsSync(pidFile)) await new Promise((resolve) => setTimeout(resolve, 20));
        guarded();
      },
    };
  },
};

/** The same kind of key as ours: P-256. */
async function certificate(conf: string): Promise<void> {
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"],
    ...["-subj", "/CN=mail.bench.test", "-out", path.join(conf, "certificate.pem")],
    ...["-keyout", path.join(conf, "key.pem")],
  ]);
}
