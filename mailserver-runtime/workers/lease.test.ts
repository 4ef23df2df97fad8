import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { type TestContext, test } from "node:test";
import { silentLog } from "../net/log.ts";
import { LeaseHeld, takeLease } from "./lease.ts";

async function volume(t: TestContext) {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-lease-"));
  t.after(() => fs.rm(directory, { recursive: true, force: true }));
  const lost: string[] = [];
  const notices: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void notices.push(fields) };
  const take = (renewMs = 20, staleMs = 300) =>
    takeLease({ directory, name: "lease", log, onLost: (why) => lost.push(why), renewMs, staleMs });
  const file = path.join(directory, "lease");
  /** As a holder elsewhere would have written it. */
  const foreign = async (changes: object) => {
    const own = JSON.parse(await fs.readFile(file, "utf8")) as object;
    const theirs = JSON.stringify({ ...own, world: "another boot pid:[1]", machine: "", ...changes });
    await fs.writeFile(`${file}.theirs`, theirs);
    await fs.rename(`${file}.theirs`, file);
  };
  return { take, file, foreign, lost, notices };
}

test("a second server is refused while the first lives, by name, and has the volume when that has given it back", async (t) => {
  const { take } = await volume(t);
  const first = await take();
  await assert.rejects(
    take(),
    (error) => error instanceof LeaseHeld && error.message.includes(`${process.pid}`),
  );
  await first.release();
  await (await take()).release();
});

test("the lease of a dead process of this host is taken over at once, with a notice", async (t) => {
  const { take, file, notices } = await volume(t);
  await (await take()).release();
  const lease = await take();
  const dead = spawn(process.execPath, ["-e", ""]);
  await new Promise((resolve) => dead.once("exit", resolve));
  const record = JSON.parse(await fs.readFile(file, "utf8")) as object;
  await lease.release();
  await fs.writeFile(file, JSON.stringify({ ...record, pid: dead.pid }));
  const began = Date.now();
  await (await take(20, 60_000)).release();
  assert.ok(Date.now() - began < 30_000);
  assert.equal(notices.length, 1);
});

test("a holder elsewhere is believed while its file changes, and taken for dead when it does not", async (t) => {
  const { take, file, foreign, notices } = await volume(t);
  const own = await take(60_000);
  await foreign({ renewed: 7 });
  let renewed = 8;
  const renewing = setInterval(() => void foreign({ renewed: renewed++ }).catch(() => {}), 50);
  await assert.rejects(take(), LeaseHeld);
  clearInterval(renewing);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const next = await take();
  assert.match(JSON.stringify(notices), /not renewed for 0.3 s/);
  await next.release();
  await own.release();
  await assert.rejects(fs.access(file), "what is not ours is not given back");
});

test("whoever finds somebody else's lease is told to end", async (t) => {
  const { take, foreign, lost } = await volume(t);
  const lease = await take();
  await foreign({ pid: 4711, since: "then" });
  for (const deadline = Date.now() + 5000; lost.length === 0 && Date.now() < deadline; )
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.match(lost[0] ?? "", /process 4711's since then/);
  await lease.release();
});

test("a file torn by a power loss is no lease", async (t) => {
  const { take, file } = await volume(t);
  await fs.writeFile(file, '{"pid":');
  await (await take()).release();
});
