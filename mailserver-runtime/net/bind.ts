/** Takes the place a listener names: a TCP port, or a socket file (`socket-file.ts`). */
import type { Server } from "node:net";
import type { Listener } from "../settings/schema.ts";
import { ListenError } from "./listen-error.ts";
import { portHolder } from "./port-holder.ts";
import { bindSocketFile } from "./socket-file.ts";

/** Resolves when the server listens. Throws ListenError. */
export async function bind(server: Server, listener: Listener): Promise<void> {
  const { address, port, path, mode } = listener;
  if (path !== undefined) {
    await bindSocketFile(server, { path, mode, protocol: listener.protocol });
    return;
  }
  try {
    await tryBind(server, address, port);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (address === "::" && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL")) {
      // A host without IPv6: "::" means every address there is.
      await bind(server, { ...listener, address: "0.0.0.0" });
      return;
    }
    throw await listenError(listener, code, error);
  }
}

function tryBind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function listenError(
  listener: Listener,
  code: string | undefined,
  cause: unknown,
): Promise<ListenError> {
  const place = `port ${listener.port} on ${listener.address} (${listener.protocol})`;
  if (code === "EADDRINUSE") {
    const holder = await portHolder(listener.port);
    const by = holder === undefined ? "another process" : `${holder.command} (process ${holder.pid})`;
    return new ListenError(
      "port-taken",
      `Cannot listen on ${place}: ${by} holds it. End that process or give this listener another port.`,
      { cause },
    );
  }
  if (code === "EACCES")
    return new ListenError(
      "forbidden",
      `Cannot listen on ${place}: ports below 1024 need the capability CAP_NET_BIND_SERVICE. Grant it or choose a higher port.`,
      { cause },
    );
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EINVAL")
    return new ListenError(
      "address",
      `Cannot listen on ${place}: this host does not have that address. Correct the listener's address.`,
      { cause },
    );
  return new ListenError("other", `Cannot listen on ${place}: ${(cause as Error).message}`, { cause });
}
