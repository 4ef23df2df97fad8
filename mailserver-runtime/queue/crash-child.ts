/**
 * A process for the crash test: opens the queue of a directory, delivers to a port on loopback, and enqueues without pause.
 * It writes "ready", then a line for every message that `enqueue` has acknowledged, at once and unbuffered, since it is
 * going to be killed. With "drain" it takes nothing new and ends when the queue is empty.
 *
 * Usage: node crash-child.ts <directory> <port> <first number> [drain]
 */
import { writeSync } from "node:fs";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import type { Settings } from "../settings/schema.ts";
import { openQueue } from "./outbound-queue.ts";

const [directory = "", port = "", first = "0", mode] = process.argv.slice(2);
// Without the schema, which would be most of this process's start.
const settings = {
  hostname: "mail.here.test",
  delivery: {
    port: Number(port),
    addresses: [],
    ipv6: "never",
    retrySeconds: [1],
    lifetimeSeconds: 432_000,
    warnAfterSeconds: 0,
    tls: { mtaSts: false, dane: false },
    connections: 20,
    messagesPerHour: 0,
    destinations: {},
    warmUp: { messagesPerDay: 0, growth: 1, days: 1 },
  },
} as Partial<Settings> as Settings;
const queue = await openQueue({
  directory,
  settings: () => settings,
  log: silentLog,
  resolver: zoneResolver({
    "MX sink.test": ["10 mx.test"],
    "MX other.test": ["10 mx.test"],
    "MX here.test": ["10 mx.test"],
    "A mx.test": ["127.0.0.1"],
  }),
});
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};
await queue.loaded;
say("ready");
if (mode === "drain") {
  while (queue.counts().messages > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await queue.close(1000);
} else {
  let number = Number(first);
  const enqueue = async (): Promise<never> => {
    for (;;) {
      const name = `m${number++}`;
      // Every tenth has a recipient that is refused, so that reports are on their way as well.
      const recipients = [
        `${name}@sink.test`,
        `${name}@other.test`,
        ...(number % 10 === 0 ? [`no-${name}@sink.test`] : []),
      ];
      await queue.enqueue({
        envelope: { from: `from-${name}@here.test`, recipients: recipients.map((address) => ({ address })) },
        prefix: Buffer.alloc(0),
        content: memoryContent(Buffer.from(`Subject: ${name}\r\n\r\n${"body\r\n".repeat(100)}`)),
      });
      say(`${name} ${recipients.length}`);
      // Leaves the processor to deliveries now and then, so that both are under way when the end comes.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await Promise.all([enqueue(), enqueue(), enqueue()]);
}
