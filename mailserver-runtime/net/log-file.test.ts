import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LogFile } from "./log-file.ts";

test("A full disk ends nothing: lines wait up to a bound, and what was lost is counted when there is room again", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-log-file-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "log");
  symlinkSync("/dev/full", path);
  const log = new LogFile(path);
  log.write("first\n");
  const begun = Date.now();
  log.flush();
  assert.ok(Date.now() - begun < 1000, "flush does not wait for a disk that has said no");
  await sleep(50);
  for (let at = 0; at < 3000; at++) log.write(`${"x".repeat(1000)}\n`);
  await sleep(50);
  rmSync(path);
  log.reopen();
  log.write("last\n");
  // What was under way to the full disk comes back when the system has said no to it.
  let lines: string[] = [];
  const isComplete = () => lines.includes("first") && lines.some((line) => line.startsWith("{"));
  for (const deadline = Date.now() + 10_000; !isComplete() && Date.now() < deadline; await sleep(20)) {
    log.flush();
    lines = readFileSync(path, "utf8").trim().split("\n");
  }
  const reports = lines
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { count: number });
  const lost = reports.reduce((sum, { count }) => sum + count, 0);
  assert.ok(lost > 1000 && lines.includes("first"), `${lost} lines were lost`);
  assert.equal(lines.length - reports.length + lost, 3002, "every line was kept or counted");
});
