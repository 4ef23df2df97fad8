/** A Postfix of its own as a sender: nothing listens, mail goes in by its sendmail and leaves by the transport a test gives. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "../../test/support/tools.ts";

export interface SendingPostfix {
  /** Puts a message into its queue; options are sendmail's. */
  send(from: string, recipients: readonly string[], message: string, options?: readonly string[]): void;
  /** Its log so far. */
  log(): string;
  /** Waits for a line of the log. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Undefined, after telling the test to skip, where Postfix cannot be started: it wants root. */
export function startSendingPostfix(
  context: TestContext,
  settings: Readonly<Record<string, string>>,
): SendingPostfix | undefined {
  if (!needs(context, "postfix")) return undefined;
  if (process.getuid?.() !== 0) {
    context.skip("Postfix can only be started by root");
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-sender-"));
  chmodSync(directory, 0o755);
  const at = (name: string): string => join(directory, name);
  for (const name of ["config", "queue", "data"]) mkdirSync(at(name));
  chownSync(at("data"), Number(execFileSync("id", ["-u", "postfix"], { encoding: "utf8" })), 0);
  const all = {
    compatibility_level: "3.6",
    queue_directory: at("queue"),
    data_directory: at("data"),
    maillog_file: at("maillog"),
    maillog_file_prefixes: tmpdir(),
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    myhostname: "sender.test",
    mydestination: "",
    alias_maps: "",
    smtp_dns_support_level: "disabled",
    minimal_backoff_time: "3600s",
    bounce_template_file: "",
    ...settings,
  };
  const lines = (entries: readonly string[]): string => entries.map((line) => `${line}\n`).join("");
  writeFileSync(at("config/main.cf"), lines(Object.entries(all).map((entry) => entry.join(" = "))));
  const services = [
    "pickup unix n - n 60 1 pickup",
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "smtp unix - - n - - smtp",
    "lmtp unix - - n - - lmtp",
    "discard unix - - n - - discard",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "scache unix - - n - 1 scache",
    "postlog unix-dgram n - n - 1 postlogd",
  ];
  writeFileSync(at("config/master.cf"), lines(services));
  const postfix = (command: string): void => {
    execFileSync("postfix", ["-c", at("config"), command], { stdio: "ignore", timeout: 30_000 });
  };
  context.after(() => {
    try {
      postfix("abort");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
  postfix("start");
  const log = (): string => {
    try {
      return readFileSync(at("maillog"), "utf8");
    } catch {
      return "";
    }
  };
  return {
    send(from, recipients, message, options = []) {
      const args = ["-C", at("config"), "-i", "-f", from, ...options, ...recipients];
      const { status, stderr } = spawnSync("/usr/sbin/sendmail", args, { input: message, encoding: "utf8" });
      if (status !== 0) throw new Error(`sendmail ended with ${status}: ${stderr}`);
    },
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
