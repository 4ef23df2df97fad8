/**
 * Scans a second and how long one takes: the filter with its network checks off, beside rspamd over HTTP and spamd over
 * SPAMC, both with their stock rules and the network off.
 *
 * Ours runs where it runs in service, in the process that receives; the peers are asked over loopback by one that only
 * asks. Every message is another one, so nobody answers from a cache. Half are attached files' messages as people send them:
 * 100 KiB of text and HTML, 5 MB with a file. Latencies (median, 95th of 100) go to stderr.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { zoneResolver } from "../../mailserver-runtime/dns/zone-for-tests.ts";
import { Model } from "../../mailserver-runtime/filter/bayes/model.ts";
import { evidenceOf, MIN_MESSAGES } from "../../mailserver-runtime/filter/bayes/opinion.ts";
import { featuresOf } from "../../mailserver-runtime/filter/bayes/tokens.ts";
import { createInboundFilter } from "../../mailserver-runtime/filter/inbound-filter.ts";
import { readMessage } from "../../mailserver-runtime/filter/reading/readable.ts";
import { memoryContent } from "../../mailserver-runtime/message/content.ts";
import { silentLog } from "../../mailserver-runtime/net/log.ts";
import type { Cell, Contestant } from "../harness.ts";
import type { Area } from "../main.ts";
import type { RunningJudge, SpamJudge } from "../peers/spam-judge.ts";
import { rspamd } from "../peers/spam-rspamd.ts";
import { spamd } from "../peers/spam-spamd.ts";

type Scan = (bytes: Buffer) => Promise<unknown>;

const words =
  "the meeting about our garden is on friday and we would like to know whether you can come please bring what you have written last week because the others have not seen it yet".split(
    " ",
  );
const sizes = [
  { name: "4 KiB", bytes: 4096, build: letter },
  { name: "100 KiB", bytes: 102_400, build: letter },
  { name: "5 MB", bytes: 5_000_000, build: withFile },
] as const;
const concurrencies = [1, 4];
const peers: readonly SpamJudge[] = [rspamd, spamd];

export const filter: Area = {
  async prepare({ quick, directory }) {
    const ours = await taughtFilter();
    const running = new Map<string, Promise<RunningJudge>>();
    const judge = (peer: SpamJudge): Promise<RunningJudge> => {
      const own = path.join(directory, peer.name);
      const known = running.get(peer.name);
      if (known !== undefined) return known;
      fs.mkdirSync(own);
      const started = peer.start(own);
      running.set(peer.name, started);
      return started;
    };
    const installed = peers.filter((peer) => peer.missing() === undefined);
    const cells = sizes.flatMap(({ name, bytes, build }) =>
      concurrencies.map((concurrency): Cell => {
        const row = `${name}, ${concurrency} at once`;
        const contestant = (who: string, scan: () => Promise<Scan>): Contestant => ({
          name: who,
          async measure(round) {
            const messages = Array.from({ length: bytes > 1_000_000 ? 8 : 200 }, (_, at) =>
              build(bytes, round * 1000 + at),
            );
            return rate(`${who}, ${row}`, await scan(), messages, concurrency, quick ? 1000 : 4000);
          },
        });
        return {
          row,
          unit: "scans/s",
          ours: contestant("mailkeep", async () => ours),
          peers: installed.map((peer) =>
            contestant(peer.name, async () => {
              const asked = await judge(peer);
              return (message) => asked.isSpam(message);
            }),
          ),
          goal: 2,
        };
      }),
    );
    return {
      cells,
      versions: Object.fromEntries(peers.map((peer) => [peer.name, peer.missing() ?? peer.version()])),
      async close() {
        for (const started of running.values()) await (await started).stop();
      },
    };
  },
};

/** Scans for so long, never the same bytes twice in a row; scans a second. */
async function rate(
  what: string,
  scan: Scan,
  messages: readonly Buffer[],
  concurrency: number,
  milliseconds: number,
): Promise<number> {
  await scan(messages[0]!);
  const latencies: number[] = [];
  let next = 0;
  const begin = performance.now();
  const worker = async (): Promise<void> => {
    while (performance.now() - begin < milliseconds || latencies.length < concurrency) {
      const message = messages[next++ % messages.length]!;
      // The peers remember digests of what they have seen.
      message.write(next.toString(36).padStart(8, "0"), message.indexOf("Message-ID: <") + 13, "latin1");
      const from = performance.now();
      await scan(message);
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - begin) / 1000;
  latencies.sort((one, other) => one - other);
  const share = (of: number) => latencies[Math.floor((latencies.length - 1) * of)]!.toFixed(2);
  process.stderr.write(`${what}: ${share(0.5)} ms, 95 % within ${share(0.95)} ms\n`);
  return latencies.length / seconds;
}

function header(number: number): string {
  return `Received: from mail.example.test (mail.example.test [192.0.2.${number % 250}]) by mx.test; Mon, 23 Nov 2026 10:00:00 +0000\r\nFrom: Alice <alice@example.test>\r\nTo: Bob <bob@example.net>\r\nSubject: about the garden ${number}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <00000000.${number}@example.test>\r\nMIME-Version: 1.0\r\n`;
}
function text(length: number, number: number): string {
  const lines: string[] = [];
  for (let size = 0, at = number; size < length; at += 1) {
    const line = Array.from(
      { length: 12 },
      (_, word) => words[(at * 7 + word * (1 + (at % 5))) % words.length],
    ).join(" ");
    lines.push(line);
    size += line.length + 2;
  }
  return lines.join("\r\n");
}
function letter(length: number, number: number): Buffer {
  const half = length / 2 - 400;
  const html = `<html><body><p>${text(half, number).replaceAll("\r\n", "</p>\r\n<p>")}</p><a href="https://example.test/${number}">more</a></body></html>`;
  return Buffer.from(
    `${header(number)}Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text(half, number)}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html.slice(0, half)}\r\n--b--\r\n`,
  );
}
function withFile(length: number, number: number): Buffer {
  const file = randomBytes(Math.floor(length * 0.73))
    .toString("base64")
    .replace(/.{76}/g, "$&\r\n");
  return Buffer.from(
    `${header(number)}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text(3000, number)}\r\n--b\r\nContent-Type: application/octet-stream; name="film.bin"\r\nContent-Disposition: attachment; filename="film.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n${file}\r\n--b--\r\n`,
  );
}

/** Every check of a server but what asks the network, with a classifier that has a say. */
async function taughtFilter(): Promise<Scan> {
  const model = new Model();
  for (let number = 0; number < MIN_MESSAGES; number += 1)
    for (const as of ["spam", "ham"] as const) {
      const body = as === "spam" ? text(1000, number).replaceAll("garden", "viagra") : text(1000, number + 3);
      const bytes = Buffer.from(`${header(number)}\r\n${body}\r\n`);
      model.learn(await featuresOf(await readMessage(memoryContent(bytes))), as);
    }
  const filter = createInboundFilter({
    hostname: () => "mx.test",
    resolver: zoneResolver({}),
    log: silentLog,
    classifier: { evidence: async (message) => evidenceOf(await featuresOf(message), model) },
  });
  return (bytes) =>
    filter.inspect({
      content: memoryContent(bytes),
      client: { address: "192.0.2.1", port: 25, secure: false },
      helo: "mail.example.test",
      from: "alice@example.test",
      recipients: ["bob@example.net"],
      receivedAt: new Date("2026-11-23T10:00:05Z"),
    });
}
