import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { logFileName, type OpenLog, openLog } from "./pino-log.ts";

async function eventsOf(file: string): Promise<string[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => (JSON.parse(line) as { event: string }).event);
}
async function withLog(use: (log: OpenLog, file: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-log-"));
  try {
    await use(openLog({ directory, level: "info", stdout: false }), join(directory, logFileName));
  } finally {
    await rm(directory, { recursive: true });
  }
}
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5000; !(await condition().catch(() => false)); await sleep(5))
    assert.ok(Date.now() < deadline, "it took too long");
}

test("Lines reach the file in order, without anybody asking for it", () =>
  withLog(async ({ log }, file) => {
    log.info({ event: "first" });
    log.child({ session: "s" }).warn({ event: "second" });
    await until(async () => (await eventsOf(file)).length === 2);
    log.info({ event: "third" });
    await until(async () => (await eventsOf(file)).length === 3);
    assert.deepEqual(await eventsOf(file), ["first", "second", "third"]);
  }));

test("After flush everything said so far is in the file, however much it is", () =>
  withLog(async ({ log, flush }, file) => {
    log.info({ event: "first" });
    await until(async () => (await eventsOf(file)).length === 1);
    for (let i = 0; i < 1000; i++) log.info({ event: `line ${i}`, filling: "x".repeat(100) });
    flush();
    const events = await eventsOf(file);
    assert.equal(events.length, 1001);
    assert.equal(events.at(-1), "line 999");
  }));

test("Lines said before reopen stand in the file that logrotate moved away, later ones in a new file", () =>
  withLog(async ({ log, reopen }, file) => {
    log.info({ event: "first" });
    await until(async () => (await eventsOf(file)).length === 1);
    await rename(file, `${file}.1`);
    log.info({ event: "before" });
    reopen();
    log.info({ event: "after" });
    await until(async () => (await eventsOf(file)).length === 1);
    assert.deepEqual(await eventsOf(`${file}.1`), ["first", "before"]);
    assert.deepEqual(await eventsOf(file), ["after"]);
  }));

test("No line has a password or a private key, be it a field, one below it, a child's or an error's", () =>
  withLog(async ({ log, flush }, file) => {
    log.info({ event: "first" });
    await until(async () => (await eventsOf(file)).length === 1);
    const fields = { event: "second", password: "secret-1", account: { name: "ann", password: "secret-2" } };
    log.info(fields);
    log
      .child({ event: "third", privateKey: "secret-3", mode: "mx" })
      .info({ keys: { privateKey: "secret-4" } });
    log.error({
      event: "fourth",
      err: Object.assign(new TypeError("no such host"), { password: "secret-5", host: "a" }),
    });
    flush();
    const text = await readFile(file, "utf8");
    assert.doesNotMatch(text, /secret/);
    assert.match(text, /"account":\{"name":"ann"\}/);
    assert.match(text, /"mode":"mx","keys":\{\}/);
    assert.match(text, /"type":"TypeError","message":"no such host","stack":".+","host":"a"/);
    assert.equal(fields.account.password, "secret-2", "the caller's object is not changed");
  }));
