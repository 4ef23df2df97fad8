/** `mailkeep logs`: what the server of a local stack says, one readable line an event. */
import { existsSync, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Host } from "../../host/connection.ts";
import { type Command, UsageError } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { logLine } from "../local/log-line.ts";
import { stackNamed, stackOption } from "../stack-options.ts";

const LOG_FILE = "mail.log";
/** What is read from the end to find the last lines. */
const TAIL_BYTES = 1024 * 1024;
const CHUNK = 65_536;

export const logs: Command = {
  name: "logs",
  summary: "show what the server does",
  options: {
    ...stackOption,
    follow: { summary: "go on with new lines until Ctrl-C", short: "f" },
    lines: { summary: "how many lines from the end; 50 when absent", value: "count", short: "n" },
    json: { summary: "the lines as they are written: one JSON object each" },
  },
  async run({ options }) {
    const count = options.lines === undefined ? 50 : Number(options.lines);
    if (!Number.isInteger(count) || count < 0) throw new UsageError("--lines is a whole number");
    const stack = await deployedStack(stackNamed(options));
    const show = (line: string) => process.stdout.write(`${options.json ? line : logLine(line)}\n`);
    if (stack.host.readLog) {
      await showFromHost(stack.host, { lines: count, follow: options.follow === true }, show);
      return 0;
    }
    const file = join(stack.host.directories.log, LOG_FILE);
    if (!existsSync(file) && !options.follow) {
      process.stderr.write(`${file} is not there: the server has not said anything yet.\n`);
      return 1;
    }
    const position = await last(file, count, show);
    if (options.follow) await follow(file, position, show);
    return 0;
  },
};

/** From a host whose files are not here, until it ends or this process is told to. */
async function showFromHost(
  host: Host,
  from: { lines: number; follow: boolean },
  show: (line: string) => void,
): Promise<void> {
  const log = await host.readLog?.(from, { deadline: Date.now() + 30_000 });
  if (!log) return;
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => log.destroy());
  for await (const line of createInterface({ input: log })) if (line !== "") show(line);
  await host.close();
}

/** Shows the last lines and gives the position behind them. */
async function last(file: string, count: number, show: (line: string) => void): Promise<number> {
  if (!existsSync(file)) return 0;
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const text = (await readRange(handle, start, size)).toString("utf8");
  const whole = text.slice(start > 0 ? text.indexOf("\n") + 1 : 0, text.lastIndexOf("\n") + 1);
  for (const line of whole
    .split("\n")
    .slice(0, -1)
    .slice(-count || Number.POSITIVE_INFINITY))
    show(line);
  return start + Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1));
}

/** Shows new lines as they come, across rotation (the name stands for a new file), until the process is told to end. */
async function follow(file: string, from: number, show: (line: string) => void): Promise<void> {
  let position = from;
  let inode = existsSync(file) ? (await stat(file)).ino : 0;
  let pending = Buffer.alloc(0);
  let wake: () => void = () => {};
  const watcher = watch(join(file, ".."), () => wake());
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  process.once("SIGTERM", () => ended.abort());
  ended.signal.addEventListener("abort", () => wake());
  while (!ended.signal.aborted) {
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, 500).unref();
    });
    const now = await stat(file).catch(() => undefined);
    if (now && now.ino !== inode) {
      inode = now.ino;
      position = 0;
    }
    if (now && now.size < position) position = 0;
    if (now && now.size > position) {
      await using handle = await open(file, "r");
      pending = Buffer.concat([pending, await readRange(handle, position, now.size)]);
      position = now.size;
      const end = pending.lastIndexOf(10);
      for (const line of pending.toString("utf8", 0, Math.max(0, end)).split("\n"))
        if (line !== "") show(line);
      pending = pending.subarray(end + 1);
    }
    await changed;
  }
  watcher.close();
}

async function readRange(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let at = start; at < end; ) {
    const { bytesRead, buffer } = await handle.read(
      Buffer.alloc(Math.min(CHUNK, end - at)),
      0,
      undefined,
      at,
    );
    if (bytesRead === 0) break;
    pieces.push(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return Buffer.concat(pieces);
}
