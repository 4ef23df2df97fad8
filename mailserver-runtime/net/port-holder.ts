/** Who holds a TCP port? On Linux /proc knows, as far as this user may look. */
import { readdir, readFile, readlink } from "node:fs/promises";

const LISTEN = "0A";

/** The process that listens on a port; undefined where the system does not tell. Never throws. */
export async function portHolder(
  port: number,
): Promise<{ readonly pid: number; readonly command: string } | undefined> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(table, "latin1").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const localPort = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
      if (state === LISTEN && localPort === port && inode !== undefined) inodes.add(`socket:[${inode}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  const processes = await readdir("/proc").catch(() => []);
  for (const pid of processes.filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
      if (!inodes.has(target)) continue;
      const command = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "a process");
      return { pid: Number(pid), command: command.trim() };
    }
  }
  return undefined;
}
