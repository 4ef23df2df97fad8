/**
 * Big mail through the whole server as it is shipped, filter and index and all: a message goes to a file as it
 * arrives, so twenty at once may not raise memory by 150 MB. Messages are of 10 MB; of 50 MB where MAILKEEP_BIG is set.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Ledger } from "./durability/ledger.ts";
import { openSite } from "./durability/site.ts";
import { needs, run } from "./support/tools.ts";

/** Megabytes that a process and its children hold. */
async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const own = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  const theirs = await Promise.all(
    children
      .split(" ")
      .filter(Boolean)
      .map((child) => residentMegabytes(Number(child))),
  );
  return theirs.reduce((sum, one) => sum + one, own);
}

test("twenty big messages at once raise a real server's memory by less than 150 MB", {
  timeout: 280_000,
}, async (t) => {
  if (!needs(t, "smtp-source")) return;
  const size = process.env.MAILKEEP_BIG === undefined ? 10_000_000 : 50_000_000;
  const root = await mkdtemp(join(tmpdir(), "mailkeep-big-"));
  const site = await openSite(root, new Ledger(), {
    message: { sizeLimit: 2 * size },
    ban: { enabled: false },
  });
  t.after(async () => {
    await site.close();
    await rm(root, { recursive: true, force: true });
  });
  const server = await site.start();
  const send = (count: number, length: number) =>
    run(
      "smtp-source",
      [
        ...["-s", String(count), "-m", String(count), "-l", String(length)],
        ...["-f", "x@sink.test", "-t", "anna@green.test", `127.0.0.1:${server.port("smtp")}`],
      ],
      { timeoutMs: 240_000 },
    );
  // What the first messages load and compile is not what big ones cost.
  await send(20, 20_000);
  const before = await residentMegabytes(server.pid);
  let peak = before;
  const watch = setInterval(async () => {
    peak = Math.max(peak, await residentMegabytes(server.pid));
  }, 50);
  const { code, stderr } = await send(20, size);
  clearInterval(watch);
  assert.equal(code, 0, stderr);
  const arrived = await readdir(join(site.directories.mail, "green.test/anna/new"));
  const whole = arrived.filter((name) => Number(/,S=(\d+)/.exec(name)?.[1] ?? 0) > size);
  assert.equal(whole.length, 20);
  t.diagnostic(`20 × ${size / 1e6} MB: ${before.toFixed(0)} MB before, ${peak.toFixed(0)} MB at most`);
  assert.ok(peak - before < 150, `memory grew by ${(peak - before).toFixed(0)} MB`);
});
