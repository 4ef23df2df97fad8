/** The `admin` command on a machine reached by ssh, as the server's own user, on a channel of the shared connection. */
import { PassThrough } from "node:stream";
import type { AdminProcess } from "../admin-lines.ts";
import { HostError } from "../host-error.ts";
import { CURRENT, RUNTIME_ROOT } from "../installed-runtime.ts";
import { runtimeFiles } from "../runtime-files.ts";
import { COMPILE_CACHE, SERVER_USER } from "../unit-text.ts";
import { exitOf } from "./link.ts";
import type { SshMachine } from "./ssh-machine.ts";

const START_MS = 30_000;

/** The version of this package where the machine has it, so that both sides know the same operations; else what runs there. */
const script = `code=${RUNTIME_ROOT}/$1
[ -d "$code" ] || code=${CURRENT}
for main in "$code"/mailserver-runtime/cli/main.js "$code"/mailserver-runtime/cli/main.ts; do
  [ -f "$main" ] && exec runuser -u ${SERVER_USER} -- env -i PATH=/usr/bin:/bin LANG=C.UTF-8 UV_THREADPOOL_SIZE=16 \\
    NODE_COMPILE_CACHE=${COMPILE_CACHE} "$code/node" "$main" --root "$2" admin
done
echo "the server's code is not in ${RUNTIME_ROOT}" >&2
exit 1`;

export function startRemoteAdmin(machine: SshMachine, directory: string): AdminProcess {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let kill = () => {};
  const argv = ["sh", "-c", script, "mailkeep", runtimeFiles().version, directory];
  const ended = machine.start(argv, { deadline: Date.now() + START_MS }).then(
    (channel) => {
      kill = () => channel.destroy();
      channel.on("error", () => {});
      stdin.pipe(channel);
      channel.pipe(stdout);
      channel.stderr.pipe(stderr);
      return new Promise<Awaited<AdminProcess["ended"]>>((resolve) =>
        channel.on("close", () => {
          const code = exitOf(channel);
          // Without a code nobody knows how far it came: the same request is sent again.
          resolve(
            code === undefined
              ? { reason: "lost its connection", code: "unreachable" }
              : { reason: `ended with code ${code}`, code: "internal" },
          );
        }),
      );
    },
    (error) => ({
      reason: `cannot be started (${error instanceof Error ? error.message : error})`,
      code: error instanceof HostError ? error.code : ("internal" as const),
    }),
  );
  return { stdin, stdout, stderr, ended, kill: () => kill() };
}
