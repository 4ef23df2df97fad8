/**
 * Exim as a sender. Its Debian package cannot be installed beside Postfix's, so it is unpacked below /opt/exim
 * (.ci/run), and runs in a mount namespace with an /etc of its own: the user and the configuration file it was
 * built for exist only there.
 */

import { existsSync } from "node:fs";
import { appendFile, chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Ran, run } from "../../test/support/tools.ts";

const exim = "/opt/exim/usr/sbin/exim4";
const uid = 64222;

export interface SendingExim {
  /** Sends at once, by BDAT where it is offered; the log of the delivery is in `stderr`. */
  send(from: string, recipients: readonly string[], message: string): Promise<Ran>;
}

/** Undefined, after telling the test to skip, where Exim cannot be run. */
export async function prepareExim(t: TestContext, port: number): Promise<SendingExim | undefined> {
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
  for (const name of ["spool", "log"]) {
    await mkdir(at(name));
    await chown(at(name), uid, uid);
  }
  const configuration = `
primary_hostname = sender.test
exim_path = ${exim}
spool_directory = ${at("spool")}
log_file_path = ${at("log")}/%slog
keep_environment =
smtputf8_advertise_hosts = *
begin routers
all:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1 byname
  self = send
begin transports
out:
  driver = smtp
  port = ${port}
  hosts_require_tls = *
  tls_try_verify_hosts = *
  hosts_try_dane =
  hosts_try_chunking = *
`;
  await writeFile(at("etc/exim4/exim4.conf"), configuration, { mode: 0o644 });
  const script = 'mount --bind "$1/etc" /etc && shift && exec "$@"';
  return {
    send: (from, recipients, message) =>
      run(
        "unshare",
        [
          ...["-m", "sh", "-c", script, "sh", directory],
          ...[exim, "-odf", "-d+transport", "-i", "-f", from, ...recipients],
        ],
        { input: message, timeoutMs: 40_000 },
      ),
  };
}
