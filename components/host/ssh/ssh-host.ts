/**
 * A Debian or Ubuntu machine as a mail host, over one ssh connection: the server's own user and directories, its code in
 * `/opt/mailkeep`, its process a systemd unit. Operations of the admin contract go through the runtime's own command there.
 */
import type { Readable } from "node:stream";
import type {
  OperationAnswer,
  OperationName,
  OperationRequest,
} from "../../../mailserver-runtime/admin/contract.ts";
import { type Directories, directoriesBelow } from "../../../mailserver-runtime/settings/directories.ts";
import { AdminLines } from "../admin-lines.ts";
import type { Open } from "../banner.ts";
import type { Host, Limit, ServerState, StartServer } from "../connection.ts";
import { done } from "../machine.ts";
import { readAnswer } from "../read-answer.ts";
import { runtimeFiles } from "../runtime-files.ts";
import { serverStateOf, startUnit, stopUnit } from "../systemd-server.ts";
import { COMPILE_CACHE, SERVER_USER } from "../unit-text.ts";
import type { SshConnection } from "./connection-schema.ts";
import { fingerprint, keyLine } from "./host-key.ts";
import { Link } from "./link.ts";
import { startRemoteAdmin } from "./remote-admin.ts";
import { SshMachine } from "./ssh-machine.ts";

/** How long the admin command is kept on the machine when nothing is asked of it: starting it takes half a second there. */
const ADMIN_IDLE_MS = 5_000;

/** Makes the host; dials nothing yet. */
export function connectSsh(to: SshConnection): Host {
  return new SshHost(to);
}

class SshHost implements Host {
  readonly description: string;
  readonly directories: Directories;
  /** A login takes some round trips, more with a jump host; a busy machine takes its time. */
  readonly patienceMs = 10_000;
  readonly machine: SshMachine;
  readonly #root: string;
  readonly #link: Link;
  readonly #admin: AdminLines;

  constructor(to: SshConnection) {
    this.#root = to.directory;
    this.#link = new Link(to);
    this.machine = new SshMachine(this.#link, to);
    this.description = this.machine.name;
    this.directories = directoriesBelow(to.directory);
    this.#admin = new AdminLines(() => startRemoteAdmin(this.machine, to.directory), ADMIN_IDLE_MS);
  }

  async perform<N extends OperationName>(
    operation: N,
    request: OperationRequest<N>,
    limit: Limit,
  ): Promise<OperationAnswer<N>> {
    return readAnswer(operation, await this.#admin.ask(JSON.stringify({ operation, request }), limit));
  }

  async readLog({ lines, follow }: { lines: number; follow: boolean }, limit: Limit): Promise<Readable> {
    const file = `${this.directories.log}/mail.log`;
    const channel = await this.machine.start(
      ["tail", "-n", String(lines), ...(follow ? ["-F"] : []), file],
      limit,
    );
    channel.stderr.resume();
    return channel;
  }

  async hostKey(limit: Limit) {
    const key = await this.#link.hostKey(limit);
    return { fingerprint: fingerprint(key), publicKey: keyLine(key) };
  }

  async makeDirectories(limit: Limit): Promise<void> {
    const directories = [this.#root, ...Object.values<string>({ ...this.directories }), COMPILE_CACHE];
    // What is there with another owner is handed over whole: a server that cannot read its mail serves nobody.
    const text = `set -eu
user=${SERVER_USER}
if ! id -u "$user" >/dev/null 2>&1; then
  useradd --system --user-group --home-dir "$1" --no-create-home --shell /usr/sbin/nologin "$user"
fi
for directory in "$@"; do
  mkdir -p -- "$directory"
  if [ "$(stat -c %U -- "$directory")" != "$user" ]; then chown -R -- "$user:$user" "$directory"; chmod 700 -- "$directory"; fi
done
sync -- "$1"`;
    await done(this.machine, { what: `make ${this.#root}`, text, args: directories }, limit);
  }

  async hasDirectories(limit: Limit): Promise<boolean> {
    const text = 'for directory in "$@"; do [ -d "$directory" ] || exit 1; done';
    const directories = Object.values<string>({ ...this.directories });
    const { code } = await this.machine.run(
      { what: `look for ${this.#root}`, text, args: directories },
      limit,
    );
    return code === 0;
  }

  async runtimeVersion(): Promise<string> {
    return runtimeFiles().version;
  }

  serverState(limit: Limit): Promise<ServerState> {
    return serverStateOf(this.machine, limit);
  }

  async startServer(wanted: StartServer, limit: Limit): Promise<void> {
    // It takes the files over from what was asked without it.
    await this.#admin.end();
    await this.machine.facts(limit);
    const answers = async (within: Limit) => {
      const { running } = await this.perform("status", {}, within);
      // It was started before the server listened, and would answer from the files for ever.
      if (!running) await this.#admin.end();
      return running;
    };
    const log = `${this.directories.log}/mail.log`;
    await startUnit(this.machine, wanted, { answers, log, open: await this.#opener(wanted, limit) }, limit);
  }

  async stopServer(_graceMs: number, limit: Limit): Promise<void> {
    await stopUnit(this.machine, limit);
    await this.#admin.end();
  }

  async close(): Promise<void> {
    await this.#admin.end();
    await this.#link.close();
  }

  /** The machine's own connections to itself, where its sshd makes them (`AllowTcpForwarding`). */
  async #opener({ listeners }: StartServer, limit: Limit): Promise<Open | undefined> {
    const open: Open = (address, port) => this.#link.connectFrom(address, port, limit);
    const [first] = listeners;
    if (!first) return open;
    return open("127.0.0.1", first.port).then(
      (socket) => {
        socket.destroy();
        return open;
      },
      (error: Error) => (/prohibited/i.test(error.message) ? undefined : open),
    );
  }
}
