/**
 * How fast answers are made, over a store in memory and without a socket: `node imap/test/throughput.ts`.
 * For finding where time goes; the comparison with peers is the bench's.
 */
import { silentLog } from "../../net/log.ts";
import { serveImap } from "../serve.ts";
import { MemoryStore } from "./memory-store.ts";
import { message } from "./messages.ts";
import { ScriptConnection } from "./script-connection.ts";
import { PASSWORD, testAuthenticator, USER } from "./server.ts";

const MESSAGES = 10_000;

/** Counts what is written and forgets it. */
class CountingConnection extends ScriptConnection {
  bytes = 0;
  override write(bytes: Buffer | string): void {
    this.bytes += bytes.length;
  }
}

const store = new MemoryStore();
store
  .get(USER)
  .find("INBOX")
  .insert(
    Array.from({ length: MESSAGES }, (_, index) => ({
      bytes: message({ subject: `message number ${index}`, body: `${"x".repeat(70)}\r\n`.repeat(54) }),
      flags: index % 3,
      date: 1.7e12 + index * 1000,
    })),
  );

/** Command, and how often it runs in one round. */
const MEASURES: readonly (readonly [command: string, times: number])[] = [
  ["FETCH 1:* (FLAGS)", 20],
  ["UID FETCH 1:* (FLAGS)", 20],
  ["FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT FROM DATE)])", 5],
  ["FETCH 1:* (BODY.PEEK[])", 3],
  ["FETCH 1:* (ENVELOPE RFC822.SIZE INTERNALDATE)", 3],
  ["FETCH 1:* (BODYSTRUCTURE)", 2],
  ["SEARCH SUBJECT zzz", 3],
  ["SEARCH TEXT zzz", 1],
];
const only = process.argv[2];
for (const [command, times] of MEASURES) {
  if (only && !command.includes(only)) continue;
  let best = 0;
  for (let round = 0; round < 3; round += 1) {
    const lines = [
      `l LOGIN ${USER} "${PASSWORD}"`,
      "s EXAMINE INBOX",
      ...Array(times).fill(`x ${command}`),
      "",
    ];
    const connection = new CountingConnection(Buffer.from(lines.join("\r\n")));
    const began = process.cpuUsage();
    await serveImap(connection, { store, authenticator: testAuthenticator, hostname: "x", log: silentLog });
    const used = process.cpuUsage(began);
    best = Math.max(best, (times * MESSAGES * 1e6) / (used.user + used.system));
  }
  process.stdout.write(
    `${command.padEnd(60)} ${Math.round(best).toLocaleString("en")} messages per CPU second\n`,
  );
}
