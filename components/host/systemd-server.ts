/**
 * The server as a systemd unit: which of its versions runs, and how it is started, replaced and ended. A version that does
 * not become healthy gives way to the one before it, so that a failed deployment leaves mail flowing.
 */
import { setTimeout as wait } from "node:timers/promises";
import { firstProblem, type Open } from "./banner.ts";
import type { Limit, ServerState, StartServer } from "./connection.ts";
import { HostError } from "./host-error.ts";
import { installedVersions, installRuntime, RUNTIME_ROOT, switchRuntime } from "./installed-runtime.ts";
import { done, type Machine } from "./machine.ts";
import { listeningSockets } from "./ports.ts";
import { SERVER_UNIT } from "./unit-text.ts";

/** The URN of the resource that declared the running server. */
const OWNER_FILE = `${RUNTIME_ROOT}/owner`;
const POLL_MS = 200;
/** What is left of the limit when waiting for health ends: saying why it failed takes a moment, too. */
const REPORT_MS = 5_000;
const BANNER_MS = 2_000;
const LOG_LINES = 20;

/** What a look at the unit finds. */
interface UnitState {
  readonly active: string;
  readonly pid: number;
  readonly restarts: number;
  readonly version: string | undefined;
  readonly owner: string | undefined;
}

async function look(machine: Machine, limit: Limit): Promise<UnitState> {
  const text = `systemctl show -p ActiveState,MainPID,NRestarts ${SERVER_UNIT}
pid=$(systemctl show -p MainPID --value ${SERVER_UNIT})
if [ "\${pid:-0}" != 0 ]; then echo "exe=$(readlink "/proc/$pid/exe")"; fi
echo "owner=$(cat ${OWNER_FILE} 2>/dev/null)"`;
  const lines = (await done(machine, { what: `look at ${SERVER_UNIT}`, text }, limit)).split("\n");
  const found = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).trim()]),
  );
  const [, version] = new RegExp(`^${RUNTIME_ROOT}/([^/]+)/node`).exec(found.exe ?? "") ?? [];
  return {
    active: found.ActiveState ?? "inactive",
    pid: Number(found.MainPID ?? 0),
    restarts: Number(found.NRestarts ?? 0),
    version,
    owner: found.owner || undefined,
  };
}

export async function serverStateOf(machine: Machine, limit: Limit): Promise<ServerState> {
  try {
    const { active, version, owner } = await look(machine, limit);
    return active === "active" ? { kind: "running", version, owner } : { kind: "stopped" };
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== "unreachable") throw error;
    return { kind: "unreachable", reason: error.message };
  }
}

/** What the start needs of the host besides its machine. */
export interface StartHelp {
  /** Whether the server answers an operation. */
  readonly answers: (limit: Limit) => Promise<boolean>;
  /** The server's log file. */
  readonly log: string;
  /** Connects from the machine to itself; undefined where its sshd forbids that. */
  readonly open: Open | undefined;
}

export async function startUnit(
  machine: Machine,
  wanted: StartServer,
  help: StartHelp,
  limit: Limit,
): Promise<void> {
  await installRuntime(machine, wanted.version, limit);
  const before = await look(machine, limit);
  const { current } = await installedVersions(machine, limit);
  const asWanted = before.active === "active" && before.version === wanted.version;
  if (!(asWanted && (await health(machine, wanted, help, limit)) === undefined)) {
    if (before.active === "active") await stopUnit(machine, limit);
    await refuseTakenPorts(machine, wanted, limit);
    await switchRuntime(machine, wanted.version, limit);
    await restart(machine, limit);
    try {
      await becomeHealthy(machine, wanted, help, limit);
    } catch (error) {
      if (before.version !== undefined && before.version !== wanted.version && current !== undefined)
        throw await backTo(machine, before.version, error);
      throw error;
    }
  }
  await done(
    machine,
    { what: "note whose the server is", text: `printf %s "$1" >${OWNER_FILE}`, args: [wanted.owner] },
    limit,
  );
}

/** SIGTERM, and SIGKILL when the unit's own time is up (`TimeoutStopSec`). */
export async function stopUnit(machine: Machine, limit: Limit): Promise<void> {
  const text = `if systemctl cat ${SERVER_UNIT} >/dev/null 2>&1; then systemctl stop ${SERVER_UNIT}; fi`;
  await done(machine, { what: "stop the server", text }, limit);
}

async function restart(machine: Machine, limit: Limit): Promise<void> {
  const text = `systemctl reset-failed ${SERVER_UNIT} 2>/dev/null
systemctl restart ${SERVER_UNIT}`;
  await done(machine, { what: "start the server", text }, limit);
}

async function health(
  machine: Machine,
  { listeners }: StartServer,
  { answers, open }: StartHelp,
  limit: Limit,
): Promise<string | undefined> {
  const { active } = await look(machine, limit);
  if (active !== "active") return `its unit is ${active}`;
  if (!(await answers(limit))) return "it does not answer yet";
  return open && firstProblem(listeners, BANNER_MS, open);
}

async function becomeHealthy(
  machine: Machine,
  wanted: StartServer,
  help: StartHelp,
  limit: Limit,
): Promise<void> {
  for (;;) {
    const problem = await health(machine, wanted, help, limit);
    if (problem === undefined) return;
    // systemd starts it again when it ends: more than once is no accident.
    const { active, restarts } = await look(machine, limit);
    if (active === "failed" || restarts > 1) throw await failure(machine, help, "ended while it started");
    if (Date.now() + REPORT_MS >= limit.deadline || limit.signal?.aborted)
      throw await failure(machine, help, `did not become healthy in time: ${problem}`);
    await wait(POLL_MS);
  }
}

/** Ends what does not work and quotes what it said. */
async function failure(machine: Machine, { log }: StartHelp, what: string): Promise<HostError> {
  const limit = { deadline: Date.now() + 20_000 };
  const text = `systemctl stop ${SERVER_UNIT}
journalctl -u ${SERVER_UNIT} -n ${LOG_LINES} --no-pager -q -o cat 2>/dev/null
tail -n ${LOG_LINES} "$1" 2>/dev/null; true`;
  const said = await machine
    .run({ what: "read the server's log", text, args: [log] }, limit)
    .catch(() => undefined);
  const lines = (said?.stdout.trim() ?? "").split("\n").map((line) => `  ${line.slice(0, 500)}`);
  return new HostError(
    "unhealthy",
    `The mail server on ${machine.name} ${what}. The end of 'journalctl -u ${SERVER_UNIT}' and ${log}:\n${lines.join("\n")}`,
  );
}

async function backTo(machine: Machine, version: string, error: unknown): Promise<unknown> {
  if (!(error instanceof HostError)) return error;
  const limit = { deadline: Date.now() + 30_000 };
  try {
    await switchRuntime(machine, version, limit);
    await restart(machine, limit);
  } catch {
    return error;
  }
  return new HostError(
    error.code,
    `${error.message}\nVersion ${version}, which ran before, was started again.`,
  );
}

/** Somebody else's sockets on the server's ports. */
async function refuseTakenPorts(machine: Machine, { listeners }: StartServer, limit: Limit): Promise<void> {
  const text = `cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
echo --
find /proc/[0-9]*/fd -lname 'socket:*' -printf '%p %l\\n' 2>/dev/null`;
  const [tables = "", links = ""] = (
    await done(machine, { what: "look who listens", text: `${text}; true` }, limit)
  ).split("\n--\n");
  const wanted = new Set(listeners.map(({ port }) => port));
  const taken = [...listeningSockets(tables)].filter(([, port]) => wanted.has(port));
  if (taken.length === 0) return;
  const pidOf = (inode: string) =>
    /\/proc\/(\d+)\//.exec(links.split("\n").find((line) => line.endsWith(`socket:[${inode}]`)) ?? "")?.[1];
  const pids = [...new Set(taken.map(([inode]) => pidOf(inode)).filter((pid) => pid !== undefined))];
  const names = await machine.run(
    { what: "name them", text: 'for pid in "$@"; do echo "$pid $(cat /proc/$pid/comm)"; done', args: pids },
    limit,
  );
  const holders = names.stdout
    .trim()
    .split("\n")
    .map((line) => line.replace(/^(\d+) (.*)$/, "$2 (process $1)"));
  const ports = [...new Set(taken.map(([, port]) => port))].sort((left, right) => left - right);
  throw new HostError(
    "port-taken",
    `The mail server cannot start on ${machine.name}: port${ports.length > 1 ? "s" : ""} ${ports.join(", ")} ` +
      `${ports.length > 1 ? "are" : "is"} held by ${holders.join(", ") || "another process"}. End it there ` +
      "('systemctl disable --now exim4 postfix' is the usual case), or declare other ports (server.ports).",
  );
}
