import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freshDirectory, missing } from "./test-store.ts";

/** A call that strace saw, with the path its descriptor had. */
interface Call {
  readonly name: string;
  readonly begun: number;
  readonly ended: number;
  readonly text: string;
}

/** Joins "unfinished" and "resumed" lines of `strace -f -y`. */
function callsOf(trace: string): Call[] {
  const open = new Map<string, { name: string; begun: number; text: string }>();
  const calls: Call[] = [];
  trace.split("\n").forEach((line, at) => {
    const match = /^(\d+)\s+(?:<\.\.\. )?(\w+)/.exec(line);
    if (match === null) return;
    const [, thread, name] = match as unknown as [string, string, string];
    if (line.includes("<unfinished ...>")) open.set(thread, { name, begun: at, text: line });
    else if (line.includes(" resumed>")) {
      const begun = open.get(thread);
      if (begun !== undefined) calls.push({ ...begun, ended: at, text: begun.text + line });
    } else calls.push({ name, begun: at, ended: at, text: line });
  });
  return calls;
}

test("A delivery is acknowledged only after its file's fsync, its rename and a directory fsync that began after the rename", async (t) => {
  const skip = missing("strace");
  if (skip !== undefined) return t.skip(skip);
  const root = freshDirectory(t);
  const script = `${root}/deliver.ts`;
  const at = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
  writeFileSync(
    script,
    `import { writeSync } from "node:fs";
import { openMaildirStore } from ${at("store.ts")};
import { memoryContent } from ${at("../../message/content.ts")};
import { silentLog } from ${at("../../net/log.ts")};
const store = await openMaildirStore({ directories: { mail: ${JSON.stringify(`${root}/mail`)}, state: ${JSON.stringify(`${root}/state`)} }, log: silentLog });
const inbox = await (await store.account("open@example.org")).open("INBOX");
await Promise.all(Array.from({ length: 30 }, async (_, i) => {
  const id = "message-" + i + "-end";
  const content = memoryContent(Buffer.from("Subject: " + id + "\\r\\n\\r\\nBody\\r\\n"));
  if (i % 3 === 0) {
    const { uid } = await inbox.append({ content, flags: ["\\\\Seen"] });
    writeSync(1, "APPENDED " + id + " " + uid + "\\n");
    return;
  }
  const account = i % 3 === 1 ? "open@example.org" : "shut" + i + "@example.org";
  const [outcome] = await store.deliver({ content, receivedAt: new Date(), recipients: [{ account, prefix: Buffer.alloc(0), mailbox: "INBOX" }] });
  if (outcome.stored) writeSync(1, "DELIVERED " + id + "\\n");
}));
await store.close();
`,
  );
  const traced = spawnSync(
    "strace",
    [
      "-f",
      "-y",
      "-s",
      "300",
      "-o",
      `${root}/trace`,
      "-e",
      "trace=openat,write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat",
      process.execPath,
      script,
    ],
    { env: { ...process.env, UV_THREADPOOL_SIZE: "8" }, encoding: "utf8" },
  );
  assert.equal(traced.status, 0, traced.stderr);
  const calls = callsOf(await readFile(`${root}/trace`, "latin1"));
  const acknowledged = calls.filter((call) => /write\(1<.*"(DELIVERED|APPENDED) /.test(call.text));
  assert.equal(acknowledged.length, 30);
  for (const acknowledgement of acknowledged) {
    const [, what, id, uid] = /"(DELIVERED|APPENDED) (\S+?)(?: (\d+))?\\n"/.exec(acknowledgement.text)!;
    const written = calls.find(
      (call) =>
        /^\d+\s+writev?\(/.test(call.text) &&
        call.text.includes(`Subject: ${id}`) &&
        call.text.includes("/tmp/"),
    )!;
    assert.ok(written, `${id} was written into tmp`);
    const path = /<([^>]*\/tmp\/[^>]*)>/.exec(written.text)![1]!;
    const synced = calls.find(
      (call) => call.name === "fsync" && call.text.includes(`<${path}>`) && call.begun > written.ended,
    )!;
    const renamed = calls.find((call) => call.name.startsWith("rename") && call.text.includes(`"${path}"`))!;
    assert.ok(synced && renamed, `${id} was synced and renamed`);
    assert.match(synced.text, /= 0$/);
    assert.ok(synced.ended < renamed.begun, `${id}: fsync ended before the rename`);
    const folder = /, (?:AT_FDCWD<[^>]*>, )?"([^"]*)\/[^/"]*"/.exec(renamed.text)![1]!;
    const isBetween = (call: Call) => call.begun > renamed.ended && call.ended < acknowledgement.begun;
    assert.ok(
      calls.some((call) => call.name === "fsync" && call.text.includes(`<${folder}>`) && isBetween(call)),
      `${id}: ${folder} was synced between rename and acknowledgement`,
    );
    if (what !== "APPENDED") continue;
    const listed = calls.find(
      (call) =>
        call.name === "write" &&
        call.text.includes("dovecot-uidlist>") &&
        new RegExp(`["n]${uid} :`).test(call.text),
    )!;
    assert.ok(listed, `UID ${uid} was written to the list`);
    assert.ok(
      calls.some(
        (call) =>
          call.name === "fsync" &&
          call.text.includes("dovecot-uidlist>") &&
          call.begun > listed.ended &&
          call.ended < acknowledgement.begun,
      ),
      `UID ${uid} was synced in the list before APPENDUID`,
    );
  }
});
