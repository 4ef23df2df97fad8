/**
 * The process that crash.test.ts kills: delivers and appends without pause, and writes a line to its standard
 * output for each message that the store acknowledged. `node crash-child.ts <root> <run>`
 */
import { writeSync } from "node:fs";
import { memoryContent } from "../../message/content.ts";
import { silentLog } from "../../net/log.ts";
import { openMaildirStore } from "./store.ts";

const [root, run] = process.argv.slice(2) as [string, string];
const store = await openMaildirStore({
  directories: { mail: `${root}/mail`, state: `${root}/state` },
  log: silentLog,
  undelete: () => ({ days: 7, bytes: 1e9 }),
});
const account = await store.account("ann@example.org");
const inbox = await account.open("INBOX");
const view = inbox.view();
for (const uid of view.uids.subarray(0, view.count)) {
  const header = (await inbox.readHeader(uid)).toString("latin1");
  writeSync(1, `had ${uid} ${/^Subject: (\S+)/m.exec(header)?.[1]}\n`);
}
writeSync(1, "ready\n");

let number = 0;
function next(): { id: string; content: ReturnType<typeof memoryContent> } {
  const id = `${run}-${number++}`;
  return { id, content: memoryContent(Buffer.from(`Subject: ${id}\r\n\r\n${"Body.\r\n".repeat(200)}`)) };
}
async function deliver(): Promise<void> {
  for (;;) {
    const { id, content } = next();
    const outcomes = await store.deliver({
      content,
      receivedAt: new Date(),
      recipients: ["ann", "bob"].map((name) => ({
        account: `${name}@example.org`,
        prefix: Buffer.alloc(0),
        mailbox: "INBOX",
      })),
    });
    if (outcomes.every((outcome) => outcome.stored)) writeSync(1, `delivered ${id}\n`);
  }
}
async function append(): Promise<void> {
  for (;;) {
    const { id, content } = next();
    const { uid } = await inbox.append({ content, flags: ["\\Seen"] });
    writeSync(1, `appended ${id} ${uid}\n`);
    // Renames go on meanwhile, and must neither lose nor double a message.
    const { modified } = await inbox.setFlags({ uids: [uid], mode: "add", flags: ["\\Flagged"] });
    if (modified.length === 0) writeSync(1, `flagged ${id}\n`);
  }
}
/** What is expunged is kept; wherever this is killed, a message is in one of both places. */
async function expunge(): Promise<void> {
  await account.list();
  const trash = await account.open("Trash");
  for (;;) {
    const { id, content } = next();
    const { uid } = await trash.append({ content, flags: ["\\Deleted"] });
    writeSync(1, `thrown ${id}\n`);
    await trash.expunge([uid]);
    writeSync(1, `expunged ${id}\n`);
  }
}
await Promise.all([deliver(), deliver(), append(), append(), expunge()]);
