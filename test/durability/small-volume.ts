/**
 * A small file system that a test can fill: a tmpfs in a mount namespace, which a process that does nothing keeps alive
 * from one start of the server to the next.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { TestContext } from "node:test";

/** Who is not root needs a user namespace for it. */
const ROOT = process.getuid?.() === 0;
const UNSHARE = ROOT ? ["-m"] : ["-r", "-m"];
const ENTER = ROOT ? ["-m"] : ["-U", "--preserve-credentials", "-m"];

/** False, after telling the test to skip, where the machine lets this user mount nothing. */
export function canMount(t: TestContext): boolean {
  if (spawnSync("unshare", [...UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0) return true;
  t.skip("this user may mount no file system here, not even in a namespace of their own");
  return false;
}

export interface SmallVolume {
  /** The command in front of a program that is to see the volume. */
  readonly under: readonly string[];
  /** The same directory as this process reaches it. */
  readonly path: string;
  /** Takes all but `leave` bytes. */
  fill(leave: number): void;
  /** Gives back what `fill` took. */
  free(): void;
}

/** Puts a file system of `bytes` over `directory`, with what lies there copied in; it goes with the test. */
export async function smallVolume(t: TestContext, directory: string, bytes: number): Promise<SmallVolume> {
  const script =
    'cd / && tar -C "$1" -cf "$1.tar" . && mount -t tmpfs -o size="$2",mode=700 none "$1" && tar -C "$1" -xf "$1.tar" && rm "$1.tar" && echo ready && exec sleep 3600';
  const holder = spawn("unshare", [...UNSHARE, "sh", "-c", script, "sh", directory, String(bytes)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => holder.kill("SIGKILL"));
  await ready(holder);
  const path = `/proc/${holder.pid}/root${directory}`;
  const filler = `${path}/filler`;
  return {
    under: ["nsenter", ...ENTER, "-t", String(holder.pid), "--"],
    path,
    fill(leave) {
      const { bavail, bsize } = fs.statfsSync(path);
      const fd = fs.openSync(filler, "a");
      try {
        for (let left = bavail - Math.ceil(leave / bsize); left > 0; left--)
          fs.writeSync(fd, Buffer.alloc(bsize));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        fs.closeSync(fd);
      }
    },
    free: () => fs.rmSync(filler, { force: true }),
  };
}

function ready(holder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    holder.stdout!.once("data", () => resolve());
    holder.once("exit", (code) => reject(new Error(`the file system was not made (${code})`)));
  });
}
