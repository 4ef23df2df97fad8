/**
 * An Exim of a test's own, as somebody else's mail server. Its Debian package cannot be installed beside Postfix's, so it
 * is unpacked below /opt/exim (.ci/run), and runs in a mount namespace with an /etc of its own: the user and the
 * configuration file it was built for exist only there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import {
  appendFile,
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testCertificate } from "../../mailserver-runtime/net/test-certificate.ts";
import { answers } from "./loopback.ts";
import { type Ran, run } from "./tools.ts";

const exim = "/opt/exim/usr/sbin/exim4";
const uid = 64222;

export interface EximOptions {
  /** Where all its mail to others goes: a port of 127.0.0.1. */
  readonly smarthost: number;
  /** With it Exim listens, takes mail for bob at its domain, and refuses late@ there only after it has taken the message. */
  readonly receives?: { readonly address: string; readonly port: number; readonly domain: string };
}
export interface Exim {
  /** Sends at once, by BDAT where it is offered; the log of the delivery is in `stderr`. */
  send(from: string, recipients: readonly string[], message: string): Promise<Ran>;
  /** What bob has. */
  mailbox(): Promise<string[]>;
}

/** Undefined, after telling the test to skip, where Exim cannot be run. */
export async function startExim(t: TestContext, options: EximOptions): Promise<Exim | undefined> {
  if (!existsSync(exim)) {
    if (process.env.CI) throw new Error(`${exim} must be there in CI (.ci/run)`);
    t.skip(`${exim} is not there`);
    return undefined;
  }
  if (process.getuid?.() !== 0 || (await run("unshare", ["-m", "true"])).code !== 0) {
    t.skip("Exim wants root and a mount namespace");
    return undefined;
  }
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-exim-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string): string => join(directory, name);
  await chmod(directory, 0o755);
  await mkdir(at("etc/exim4"), { recursive: true });
  for (const name of ["passwd", "group", "ld.so.cache"]) await copyFile(`/etc/${name}`, at(`etc/${name}`));
  await appendFile(at("etc/passwd"), `\nDebian-exim:x:${uid}:${uid}::/nonexistent:/usr/sbin/nologin\n`);
  await appendFile(at("etc/group"), `\nDebian-exim:x:${uid}:\n`);
  const { key, cert } = testCertificate("mx.exim.test");
  await writeFile(at("key"), key);
  await writeFile(at("cert"), cert);
  for (const name of ["spool", "log", "mail"]) await mkdir(at(name));
  for (const name of ["spool", "log", "mail", "key", "cert"]) await chown(at(name), uid, uid);
  await writeFile(at("etc/exim4/exim4.conf"), configuration(directory, options), { mode: 0o644 });
  const script = 'mount --bind "$1/etc" /etc && shift && exec "$@"';
  const inNamespace = ["-m", "sh", "-c", script, "sh", directory, exim];
  if (options.receives !== undefined) await listen(t, inNamespace, options.receives);
  return {
    send: (from, recipients, message) =>
      run("unshare", [...inNamespace, "-odf", "-d+transport", "-i", "-f", from, ...recipients], {
        input: message,
        timeoutMs: 40_000,
      }),
    async mailbox() {
      const names = await readdir(at("mail/new")).catch(() => []);
      return Promise.all(names.sort().map((name) => readFile(at(`mail/new/${name}`), "latin1")));
    },
  };
}

async function listen(
  t: TestContext,
  inNamespace: readonly string[],
  { address, port }: NonNullable<EximOptions["receives"]>,
): Promise<void> {
  // A process group of its own, so that the deliveries it starts end with it.
  const child: ChildProcess = spawn("unshare", [...inNamespace, "-bdf"], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let said = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  t.after(async () => {
    if (child.exitCode !== null) return;
    process.kill(-child.pid!, "SIGTERM");
    await once(child, "exit");
  });
  for (let tries = 0; !(await answers(port, address)); tries++) {
    if (tries === 1000 || child.exitCode !== null) throw new Error(`Exim does not greet: ${said}`);
    await sleep(10);
  }
}

function configuration(directory: string, { smarthost, receives }: EximOptions): string {
  const domain = receives?.domain ?? "";
  return `
primary_hostname = ${receives === undefined ? "sender.test" : `mx.${domain}`}
exim_path = ${exim}
spool_directory = ${directory}/spool
log_file_path = ${directory}/log/%slog
keep_environment =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = ${directory}/cert
tls_privatekey = ${directory}/key
auth_advertise_hosts =
local_interfaces = ${receives?.address ?? ""}
daemon_smtp_ports = ${receives?.port ?? smarthost}
acl_smtp_rcpt = recipient
begin acl
recipient:
  accept hosts = 127.0.0.1
         domains = ! ${domain}
  accept domains = ${domain}
         local_parts = bob : late
  deny message = 5.1.1 no such user
begin routers
here:
  driver = accept
  domains = ${domain}
  local_parts = bob
  transport = mailbox
late:
  driver = redirect
  domains = ${domain}
  allow_fail
  data = :fail: 5.2.1 gone after all
all:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1 byname
  self = send
begin transports
mailbox:
  driver = appendfile
  directory = ${directory}/mail
  maildir_format
  user = Debian-exim
out:
  driver = smtp
  port = ${smarthost}
  hosts_require_tls = *
  tls_try_verify_hosts = *
  hosts_try_dane =
  hosts_try_chunking = *
begin retry
* * F,1h,1m
`;
}
