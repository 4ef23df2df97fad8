/**
 * A Postfix of a test's own, as somebody else's mail server: it takes mail for its domains over STARTTLS, and sends
 * what its `sendmail` is given. What it shall do besides are lines of main.cf and master.cf.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testCertificate } from "../../mailserver-runtime/net/test-certificate.ts";
import { answers, freePort } from "./loopback.ts";
import { installed, skipWithout } from "./tools.ts";

/** The reason why a test with Postfix cannot run here; false when it can. */
export const skipWithoutPostfix: string | false = skipWithout(
  installed("postfix") && process.getuid?.() === 0,
  installed("postfix")
    ? `Postfix can only be started by root, and this is ${userInfo().username}`
    : "Postfix is not installed",
);

export interface PostfixOptions {
  /** Loopback address. */
  readonly address?: string;
  /** A free one where nothing is said. */
  readonly port?: number;
  /** Domains it takes mail for: bob and jürgen live in each. */
  readonly domains?: readonly string[];
  /** PEM; by default self-signed for mx.test. */
  readonly certificate?: { readonly key: string; readonly cert: string };
  /** Lines of main.cf in the place of the usual ones, and beside them. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Lines of master.cf besides the usual ones. */
  readonly services?: readonly string[];
}
export interface Postfix {
  readonly address: string;
  readonly port: number;
  /** Puts a message into its queue; options are sendmail's. */
  send(from: string, recipients: readonly string[], message: string, options?: readonly string[]): void;
  /** Tries everything that waits in its queue. */
  flush(): void;
  /** Its log so far. */
  log(): string;
  /** Waits for a line of the log. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
}

const SERVICES = [
  "pickup unix n - n 60 1 pickup",
  "cleanup unix n - n - 0 cleanup",
  "qmgr unix n - n 300 1 qmgr",
  "rewrite unix - - n - - trivial-rewrite",
  "bounce unix - - n - 0 bounce",
  "defer unix - - n - 0 bounce",
  "trace unix - - n - 0 bounce",
  "flush unix n - n 1000? 0 flush",
  "proxymap unix - - n - - proxymap",
  "showq unix n - n - - showq",
  "tlsmgr unix - - n 1000? 1 tlsmgr",
  "smtp unix - - n - - smtp",
  "lmtp unix - - n - - lmtp",
  "virtual unix - n n - - virtual",
  "discard unix - - n - - discard",
  "error unix - - n - - error",
  "retry unix - - n - - error",
  "scache unix - - n - 1 scache",
  "anvil unix - - n - 1 anvil",
  "postlog unix-dgram n - n - 1 postlogd",
];

/** Starts one on loopback. Whatever it takes is discarded, if `virtual_transport` does not say otherwise. */
export async function startPostfix(t: TestContext, options: PostfixOptions = {}): Promise<Postfix> {
  const { domains = ["sink.test"], certificate, address = "127.0.0.1" } = options;
  const port = options.port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-postfix-"));
  chmodSync(directory, 0o755);
  const at = (name: string): string => join(directory, name);
  for (const name of ["config", "queue", "data"]) mkdirSync(at(name));
  chownSync(at("data"), Number(execFileSync("id", ["-u", "postfix"], { encoding: "utf8" })), 0);
  const { key, cert } = certificate ?? testCertificate("mx.test");
  writeFileSync(at("key"), key, { mode: 0o600 });
  writeFileSync(at("cert"), cert);
  const settings = {
    compatibility_level: "3.6",
    queue_directory: at("queue"),
    data_directory: at("data"),
    maillog_file: at("maillog"),
    maillog_file_prefixes: tmpdir(),
    // Postfix knows the loopback network by its one interface; the listener names its address itself.
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    myhostname: "mx.test",
    mydestination: "",
    mynetworks: "127.0.0.254/32",
    alias_maps: "",
    virtual_mailbox_domains: domains.join(" "),
    virtual_mailbox_maps: `inline:{${domains.flatMap((domain) => [`bob@${domain}=bob`, `jürgen@${domain}=juergen`]).join(", ")}}`,
    virtual_transport: "discard",
    smtpd_relay_restrictions: "reject_unauth_destination",
    smtpd_tls_security_level: "may",
    smtpd_tls_key_file: at("key"),
    smtpd_tls_cert_file: at("cert"),
    smtp_dns_support_level: "disabled",
    minimal_backoff_time: "3600s",
    ...options.parameters,
  };
  const lines = (entries: readonly string[]): string => entries.map((line) => `${line}\n`).join("");
  writeFileSync(at("config/main.cf"), lines(Object.entries(settings).map((entry) => entry.join(" = "))));
  const listener = `${address}:${port} inet n - n - - smtpd`;
  writeFileSync(at("config/master.cf"), lines([listener, ...SERVICES, ...(options.services ?? [])]));
  const log = (): string => {
    try {
      return readFileSync(at("maillog"), "utf8");
    } catch {
      return "";
    }
  };
  const postfix = (command: string): void => {
    const args = ["-c", at("config"), command];
    const { status } = spawnSync("postfix", args, { stdio: "ignore", timeout: 30_000 });
    if (status !== 0) throw new Error(`postfix ${command} ended with ${status}:\n${log()}`);
  };
  t.after(() => {
    try {
      postfix("abort");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
  postfix("start");
  for (let tries = 0; !(await answers(port, address)); tries++) {
    if (tries === 1000) throw new Error(`Postfix does not greet:\n${log()}`);
    await sleep(10);
  }
  return {
    address,
    port,
    send(from, recipients, message, more = []) {
      const args = ["-C", at("config"), "-i", "-f", from, ...more, ...recipients];
      const { status, stderr } = spawnSync("/usr/sbin/sendmail", args, { input: message, encoding: "utf8" });
      if (status !== 0) throw new Error(`sendmail ended with ${status}: ${stderr}`);
    },
    flush: () => postfix("flush"),
    log,
    async logged(pattern) {
      for (let tries = 0; tries < 1000; tries++) {
        const found = pattern.exec(log());
        if (found !== null) return found;
        await sleep(30);
      }
      throw new Error(`Postfix did not log ${pattern}:\n${log()}`);
    },
  };
}
