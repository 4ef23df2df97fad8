/** What the store's tests share: a store in a fresh directory, messages, and looking at what lies on disk. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { memoryContent } from "../../message/content.ts";
import { type Log, silentLog } from "../../net/log.ts";
import { KEYWORD_SHIFT, type Mailbox, type MailStore } from "../mail-store.ts";
import { type MaildirStoreOptions, openMaildirStore } from "./store.ts";

/** A directory that goes with the test. */
export function freshDirectory(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "mailkeep-store-"));
  t.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 3 }));
  return root;
}
export function openIn(root: string, options: Partial<MaildirStoreOptions> = {}): Promise<MailStore> {
  const log: Log = silentLog;
  return openMaildirStore({
    directories: { mail: join(root, "mail"), state: join(root, "state") },
    log,
    ...options,
  });
}
export async function freshStore(t: TestContext): Promise<{ root: string; store: MailStore }> {
  const root = freshDirectory(t);
  const store = await openIn(root);
  t.after(() => store.close());
  return { root, store };
}

export function message(subject: string, body = "Hello.\r\n") {
  return memoryContent(Buffer.from(`Subject: ${subject}\r\n\r\n${body}`));
}
export async function textOf(mailbox: Mailbox, uid: number): Promise<string> {
  const content = await mailbox.read(uid);
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of content.chunks()) chunks.push(chunk);
    return Buffer.concat(chunks).toString("latin1");
  } finally {
    await content.dispose();
  }
}
export function uidsOf(mailbox: Mailbox): number[] {
  const view = mailbox.view();
  return [...view.uids.subarray(0, view.count)];
}
const SYSTEM = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];
/** Flag names of the message, sorted, without \Recent. */
export function flagsAt(mailbox: Mailbox, position: number): string[] {
  const view = mailbox.view();
  const bits = view.flags[position]!;
  const names = SYSTEM.filter((_, i) => bits & (1 << i));
  view.keywords.forEach((name, i) => {
    if (bits & (1 << (KEYWORD_SHIFT + i))) names.push(name);
  });
  return names.sort();
}
export function filesIn(directory: string): string[] {
  return ["new", "cur"]
    .flatMap((part) => readdirSync(`${directory}/${part}`).map((file) => `${part}/${file}`))
    .sort();
}

/**
 * Undefined when the program is here, else the reason to skip; where CI is set its absence is a failure.
 */
export function missing(program: string): string | undefined {
  const found = program.startsWith("/")
    ? spawnSync("test", ["-x", program]).status === 0
    : spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
  if (found) return undefined;
  if (process.env.CI) throw new Error(`${program} is not installed, and CI runs every test`);
  return `${program} is not installed`;
}
