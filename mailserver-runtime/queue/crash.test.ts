/**
 * The queue's promise under SIGKILL: what was acknowledged arrives, at every moment of its way and however often the
 * process dies. MAILKEEP_CRASH_KILLS says how often (default 20, with CI set 50).
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { scriptedServer } from "./scripted-server.ts";

const KILLS = Number(process.env.MAILKEEP_CRASH_KILLS ?? (process.env.CI === undefined ? 20 : 50));
const child = fileURLToPath(new URL("crash-child.ts", import.meta.url));

test(`nothing acknowledged is lost by ${KILLS} kills, and no copy comes twice from one process (RFC 5321 §6.1)`, async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-crash-"));
  const cache = await mkdtemp(join(tmpdir(), "mailkeep-crash-cache-"));
  const children = new Set<ChildProcess>();
  let refusals = 0;
  /** Which process, by its round, made each connection. */
  const roundOf = new Map<number, number>();
  let round = 0;
  /** The rounds in which each copy of a message arrived. */
  const arrivals = new Map<string, number[]>();
  /** The round in which the recipient behind a report was first refused. */
  const refusedIn = new Map<string, number>();
  const sink = await scriptedServer({
    extensions: ["PIPELINING"],
    answer: (line, connection) => {
      if (line === "(connected)") roundOf.set(connection, round);
      const refused = /^RCPT TO:<no-(\w+)@/.exec(line)?.[1];
      if (refused !== undefined) {
        const key = `report to from-${refused}@here.test`;
        if (!refusedIn.has(key)) refusedIn.set(key, roundOf.get(connection) ?? 0);
        return "550 5.1.1 no";
      }
      // Greylists now and then, so that journals are being written as well.
      if (line.startsWith("RCPT") && ++refusals % 7 === 0) return "451 4.7.1 later";
      return undefined;
    },
    onMessage: (message, connection) => {
      const from = /<(.*?)>/.exec(message.from)?.[1] ?? "";
      for (const line of message.recipients) {
        const to = /<(.*?)>/.exec(line)?.[1] ?? "";
        const key = from === "" ? `report to ${to}` : to;
        arrivals.set(key, [...(arrivals.get(key) ?? []), roundOf.get(connection) ?? 0]);
      }
    },
  });
  context.after(async () => {
    for (const process of children) process.kill("SIGKILL");
    await sink.close();
    for (const made of [directory, cache]) await rm(made, { recursive: true, force: true });
  });
  const start = (first: number, mode: string[] = []) => {
    const process = spawn(
      globalThis.process.execPath,
      [child, directory, String(sink.port), String(first), ...mode],
      {
        stdio: ["ignore", "pipe", "inherit"],
        // Fifty starts: what the first has compiled the others take over.
        env: { ...globalThis.process.env, NODE_COMPILE_CACHE: cache, UV_THREADPOOL_SIZE: "8" },
      },
    );
    children.add(process);
    process.once("exit", () => children.delete(process));
    return process;
  };

  const acknowledged: { readonly name: string; readonly recipients: number }[] = [];
  for (; round < KILLS; round += 1) {
    const process = start(round * 100_000);
    const ended = once(process, "exit");
    const lines = createInterface({ input: process.stdout! });
    for await (const line of lines) {
      if (line === "ready") {
        setTimeout(() => process.kill("SIGKILL"), Math.random() * 250);
        continue;
      }
      const [name = "", count] = line.split(" ");
      acknowledged.push({ name, recipients: Number(count) });
    }
    const [, signal] = await ended;
    assert.equal(signal, "SIGKILL");
    // What the dead process had sent already is read before the next one begins.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const drained = await once(start(0, ["drain"]), "exit");
  assert.equal(drained[0], 0);

  const lost = acknowledged.flatMap(({ name, recipients }) => {
    const expected = [`${name}@sink.test`, `${name}@other.test`];
    if (recipients === 3) expected.push(`report to from-${name}@here.test`);
    return expected.filter((key) => !arrivals.has(key));
  });
  assert.deepEqual(lost, []);
  const twice = [...arrivals].filter(([, rounds]) => rounds.length > 1);
  for (const [key, rounds] of twice)
    for (const [index, copy] of rounds.entries()) {
      if (index === 0) continue;
      // A report may be made twice by a kill before the first one is sent, after the refusal.
      const before = Math.min(rounds[index - 1] ?? 0, refusedIn.get(key) ?? Number.POSITIVE_INFINITY);
      assert.ok(before < copy, `${key} came twice from one process: rounds ${rounds}`);
    }
  const duplicates = twice.reduce((sum, [, times]) => sum + times.length - 1, 0);
  assert.ok(acknowledged.length > KILLS, `only ${acknowledged.length} messages were acknowledged`);
  assert.deepEqual(await readdir(directory), [], "the spool is empty, journals included");
  context.diagnostic(
    `${acknowledged.length} messages acknowledged, ${arrivals.size} deliveries arrived, none lost; ${duplicates} duplicates, each by a process other than the first copy`,
  );
});
