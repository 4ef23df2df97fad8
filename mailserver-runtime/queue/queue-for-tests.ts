/** A queue in a directory of its own that delivers to servers on loopback, for this room's tests. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { type SettingsInput, settingsSchema } from "../settings/schema.ts";
import { standardTimeouts, type Timeouts } from "./client/session.ts";
import { openQueue, type QueueOptions, type RunningQueue } from "./outbound-queue.ts";
import type { Envelope, QueueSubmission } from "./queue.ts";

/** Everything at *.test is on loopback. */
export const loopback = zoneResolver({
  "MX sink.test": ["10 mx.test"],
  "MX other.test": ["10 mx.test"],
  "A mx.test": ["127.0.0.1"],
});

export const quick: Timeouts = {
  ...standardTimeouts,
  connect: 500,
  greeting: 500,
  command: 500,
  handshake: 500,
  data: 500,
  block: 500,
  final: 500,
};

export interface TestQueue {
  readonly queue: RunningQueue;
  readonly directory: string;
  /** Reports that the queue handed over. */
  readonly reports: QueueSubmission[];
  /** The queue's clock, which stands still until moved. */
  readonly clock: { now: number };
}

export async function testQueue(
  context: TestContext,
  port: number,
  options: Partial<QueueOptions> & { readonly delivery?: SettingsInput["delivery"] } = {},
): Promise<TestQueue> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "mailkeep-queue-")));
  const { delivery, ...rest } = options;
  const settings = settingsSchema.parse({ hostname: "mail.here.test", delivery: { port, ...delivery } });
  const reports: QueueSubmission[] = [];
  const clock = { now: Date.now() };
  const queue = await openQueue({
    resolver: loopback,
    settings: () => settings,
    log: silentLog,
    timeouts: quick,
    clock: () => clock.now,
    random: () => 0,
    report: async (submission) => {
      reports.push(submission);
    },
    ...rest,
    directory,
  });
  await queue.loaded;
  context.after(async () => {
    await queue.close(0);
    await rm(directory, { recursive: true, force: true });
  });
  return { queue, directory, reports, clock };
}

export function submission(
  to: string | readonly string[],
  changes: Partial<QueueSubmission> = {},
): QueueSubmission {
  const recipients = (typeof to === "string" ? [to] : to).map((address) => ({ address }));
  return {
    envelope: { from: "ann@here.test", recipients },
    prefix: Buffer.from("Received: from a by b\r\n"),
    content: memoryContent(Buffer.from("Subject: hello\r\n\r\nfirst\r\n.second begins with a dot\r\n")),
    ...changes,
  };
}

export function envelope(to: string, changes: Partial<Envelope> = {}): Envelope {
  return { from: "ann@here.test", recipients: [{ address: to }], ...changes };
}

/** Waits until something holds; fails after ten seconds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain: ${what}`);
}
