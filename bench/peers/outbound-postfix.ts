/** Postfix on its way out, with its own defaults; mail for the sink needs no DNS, which spares it a look-up. */
import { execFile, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { version } from "../harness.ts";
import { endWithBench } from "./end-with-bench.ts";
import { forwardedAddress, type OutboundPeer, sinkAddress } from "./outbound-peer.ts";
import { pidIn } from "./pid-file.ts";
import { banner, freePort } from "./ports.ts";

const run = promisify(execFile);

export const postfix: OutboundPeer = {
  name: "Postfix",
  missing() {
    if (process.getuid?.() !== 0) return "Postfix needs root";
    try {
      execFileSync("test", ["-x", "/usr/sbin/postfix"]);
      return undefined;
    } catch {
      return "/usr/sbin/postfix is not installed";
    }
  },
  version: () => `Postfix ${version("/usr/sbin/postconf", "-d", "-h", "mail_version")}`,
  async start(directory, sinkPort) {
    const smtpPort = await freePort();
    const conf = path.join(directory, "conf");
    for (const folder of ["conf", "queue", "data"])
      await fs.mkdir(path.join(directory, folder), { recursive: true });
    // Postfix's own user goes through these.
    await fs.chmod(directory, 0o755);
    await fs.chmod(path.dirname(directory), 0o755);
    await fs.chown(path.join(directory, "data"), Number((await run("id", ["-u", "postfix"])).stdout), 0);
    const settings = {
      compatibility_level: "3.6",
      queue_directory: path.join(directory, "queue"),
      data_directory: path.join(directory, "data"),
      maillog_file: path.join(directory, "maillog"),
      maillog_file_prefixes: directory,
      inet_interfaces: "127.0.0.1",
      inet_protocols: "ipv4",
      myhostname: "mail.bench.test",
      mydestination: "",
      mynetworks: "127.0.0.0/8",
      alias_maps: "",
      smtp_tls_security_level: "none",
      smtp_dns_support_level: "disabled",
      virtual_alias_domains: "bench.test",
      virtual_alias_maps: `inline:{${forwardedAddress}=${sinkAddress}}`,
      transport_maps: `inline:{sink.test=smtp:[127.0.0.1]:${sinkPort}}`,
    };
    await fs.writeFile(
      path.join(conf, "main.cf"),
      Object.entries(settings)
        .map((entry) => `${entry.join(" = ")}\n`)
        .join(""),
    );
    const services = [
      `127.0.0.1:${smtpPort} inet n - n - - smtpd`,
      "pickup unix n - n 60 1 pickup",
      "cleanup unix n - n - 0 cleanup",
      "qmgr unix n - n 300 1 qmgr",
      "rewrite unix - - n - - trivial-rewrite",
      "bounce unix - - n - 0 bounce",
      "defer unix - - n - 0 bounce",
      "trace unix - - n - 0 bounce",
      "flush unix n - n 1000? 0 flush",
      "proxymap unix - - n - - proxymap",
      "smtp unix - - n - - smtp",
      "showq unix n - n - - showq",
      "error unix - - n - - error",
      "retry unix - - n - - error",
      "anvil unix - - n - 1 anvil",
      "scache unix - - n - 1 scache",
      "postlog unix-dgram n - n - 1 postlogd",
    ];
    await fs.writeFile(path.join(conf, "master.cf"), services.map((line) => `${line}\n`).join(""));
    // A command that leaves a daemon behind: the daemon would keep inherited pipes open for ever.
    const child = spawn("/usr/sbin/postfix", ["-c", conf, "start"], { stdio: "ignore" });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    if (code !== 0) throw new Error(`postfix start ended with ${code}`);
    const pid = await pidIn(path.join(directory, "queue/pid/master.pid"));
    const guarded = endWithBench([pid]);
    await banner(smtpPort);
    return {
      smtpPort,
      async waiting() {
        const deferred = path.join(directory, "queue/deferred");
        const files = await fs.readdir(deferred, { recursive: true, withFileTypes: true });
        return files.filter((file) => file.isFile()).length;
      },
      async flush() {
        await run("/usr/sbin/postqueue", ["-c", conf, "-f"]);
      },
      async stop() {
        await run("/usr/sbin/postfix", ["-c", conf, "stop"]).catch(() => {});
        guarded();
      },
    };
  },
};
