import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { MaildirStore } from "./store.ts";
import { flagsAt, freshDirectory, openIn, textOf, uidsOf } from "./test-store.ts";

const CHILD = fileURLToPath(new URL("crash-child.ts", import.meta.url));
/** In each of two rounds that run side by side, to use both cores. */
const KILLS = 26;

describe(`Killed ${2 * KILLS} times at random points`, { concurrency: 2 }, () => {
  for (const name of ["first", "second"])
    test(
      `every acknowledged message is there once, with the UID and flags it was told (${name} account)`,
      round,
    );
});

async function round(t: TestContext): Promise<void> {
  const root = freshDirectory(t);
  const delivered = new Set<string>();
  const appended = new Map<string, number>();
  const flagged = new Set<string>();
  const thrown = new Set<string>();
  const expunged = new Set<string>();
  const uidOf = new Map<string, number>();
  for (let run = 0; run < KILLS; run++) {
    const child = spawn(process.execPath, [CHILD, root, String(run)], {
      env: { ...process.env, NODE_COMPILE_CACHE: `${root}/compiled` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const errors = text(child.stderr);
    let dying = false;
    let output = "";
    // By progress, then by time: a machine that is busy with others gets as far as an idle one.
    const acknowledgements = Math.floor(Math.random() * 12);
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const [, since] = output.split("ready\n");
      if (dying || since === undefined || since.split("\n").length <= acknowledgements) return;
      dying = true;
      setTimeout(() => child.kill("SIGKILL"), Math.random() * 40);
    });
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    assert.equal(code, null, `run ${run} ended by itself: ${await errors}`);
    for (const line of output.slice(0, output.lastIndexOf("\n")).split("\n")) {
      const [what, first, second] = line.split(" ") as [string, string, string];
      if (what === "delivered") delivered.add(first);
      if (what === "flagged") flagged.add(first);
      if (what === "thrown") thrown.add(first);
      if (what === "expunged") expunged.add(first);
      if (what === "appended") appended.set(first, Number(second));
      if (what === "had") {
        const known = uidOf.get(second);
        assert.ok(
          known === undefined || known === Number(first),
          `${second} had UID ${known} and has ${first}`,
        );
        uidOf.set(second, Number(first));
      }
    }
  }
  assert.ok(
    delivered.size > KILLS && appended.size > KILLS,
    `${delivered.size} delivered, ${appended.size} appended`,
  );

  const store = (await openIn(root, { undelete: () => ({ days: 7, bytes: 1e9 }) })) as MaildirStore;
  const kept = (await store.expungedMessages("ann@example.org", {})).map(({ subject }) => subject);
  assert.equal(new Set(kept).size, kept.length, "what was expunged is kept once");
  const trash = await (await store.account("ann@example.org")).open("Trash");
  const inTrash = new Set<string>();
  for (const uid of uidsOf(trash)) inTrash.add(/^Subject: (\S+)/.exec(await textOf(trash, uid))![1]!);
  trash.release();
  for (const id of thrown)
    assert.equal(Number(kept.includes(id)) + Number(inTrash.has(id)), 1, `${id} is in Trash or kept`);
  for (const id of expunged) assert.ok(kept.includes(id), `${id} was expunged, and is kept`);
  assert.ok(expunged.size > 0);
  for (const name of ["ann", "bob"]) {
    const inbox = await (await store.account(`${name}@example.org`)).open("INBOX");
    const seen = new Map<string, number>();
    const uids = uidsOf(inbox);
    for (const [at, uid] of uids.entries()) {
      const content = await textOf(inbox, uid);
      assert.ok(content.endsWith("Body.\r\n") && content.length > 1400, "no message is torn");
      const id = /^Subject: (\S+)/.exec(content)![1]!;
      assert.ok(!seen.has(id), `${id} is there once`);
      seen.set(id, uid);
      if (name === "ann" && flagged.has(id))
        assert.ok(flagsAt(inbox, at).includes("\\Flagged"), `${id} kept its flag`);
    }
    for (const id of delivered) assert.ok(seen.has(id), `${id}, delivered to ${name}, is there`);
    if (name === "ann") {
      for (const [id, uid] of appended) assert.equal(seen.get(id), uid, `${id} has the UID of its APPENDUID`);
      for (const [id, uid] of uidOf) assert.equal(seen.get(id), uid, `${id} has the UID it was shown with`);
    }
    inbox.release();
  }
  await store.close();
}
