/**
 * Who listens on a TCP port of this machine, as far as /proc tells an ordinary user: that somebody does is public, the
 * process behind the socket is visible to its own user and to root.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { connect } from "node:net";

/** Somebody who listens; without a process where that is not visible. */
export interface PortHolder {
  readonly port: number;
  readonly pid?: number;
  readonly command?: string;
}

const LISTEN = "0A";

/** The listeners of the given ports. */
export async function portHolders(ports: readonly number[]): Promise<PortHolder[]> {
  const wanted = new Set(ports);
  const inodes = new Map<string, number>();
  let tables = 0;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(table, "latin1").catch(() => undefined);
    if (text === undefined) continue;
    tables++;
    for (const [inode, port] of listeningSockets(text)) if (wanted.has(port)) inodes.set(inode, port);
  }
  if (tables === 0) return probePorts(ports);
  if (inodes.size === 0) return [];
  const holders = new Map<number, PortHolder>();
  for (const port of inodes.values()) holders.set(port, { port });
  for (const { inode, pid } of await socketOwners(new Set(inodes.keys()))) {
    const port = inodes.get(inode);
    if (port !== undefined) holders.set(port, { port, pid, command: await commandOf(pid) });
  }
  return [...holders.values()];
}

/** "ports 2525, 1143 (held by process 4711: node main.ts)", one clause a holder. */
export function describeHolders(holders: readonly PortHolder[]): string {
  const byHolder = Map.groupBy(holders, ({ pid, command }) => {
    if (pid === undefined) return "held by a process of another user; 'ss -ltnp' as root names it";
    return `held by process ${pid}${command ? `: ${command}` : ""}`;
  });
  return [...byHolder]
    .map(
      ([holder, held]) =>
        `port${held.length > 1 ? "s" : ""} ${held.map(({ port }) => port).join(", ")} (${holder})`,
    )
    .join(" and ");
}

/** Inode and port of each listening socket in the text of /proc/net/tcp or tcp6. */
export function* listeningSockets(table: string): Generator<[inode: string, port: number]> {
  for (const line of table.split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [, local, , state] = fields;
    const inode = fields[9];
    if (state !== LISTEN || !local || !inode) continue;
    yield [inode, Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16)];
  }
}

async function socketOwners(inodes: ReadonlySet<string>): Promise<{ inode: string; pid: number }[]> {
  const found: { inode: string; pid: number }[] = [];
  const processes = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const name of processes) {
    // Not ours to look into: the process stays unnamed.
    const descriptors = await readdir(`/proc/${name}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${name}/fd/${descriptor}`).catch(() => "");
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode && inodes.has(inode)) found.push({ inode, pid: Number(name) });
    }
  }
  return found;
}

/** The program and its script. Further arguments may hold secrets and are left out. */
async function commandOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const [program, script] = text.split("\0");
  if (!program) return undefined;
  return script && !script.startsWith("-") ? `${program} ${script}` : program;
}

/** Where there is no /proc: a port that accepts a connection is taken. */
async function probePorts(ports: readonly number[]): Promise<PortHolder[]> {
  const answers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<PortHolder[]>((resolve) => {
          const socket = connect({ host: "127.0.0.1", port });
          const finish = (holders: PortHolder[]) => {
            socket.destroy();
            resolve(holders);
          };
          socket.setTimeout(500, () => finish([]));
          socket.on("connect", () => finish([{ port }]));
          socket.on("error", () => finish([]));
        }),
    ),
  );
  return answers.flat();
}
