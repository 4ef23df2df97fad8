/** The ports of a server: opened together when everything behind them stands, closed together and first. */

import { type Listening, type ListenOptions, listen } from "./net/listen.ts";
import type { Log } from "./net/log.ts";
import type { Serving } from "./serving.ts";
import type { Listener } from "./settings/schema.ts";

/** A port as it is bound. */
export interface OpenPort {
  readonly protocol: string;
  /** An IP address, or the path of a socket file. */
  readonly address: string;
  readonly port: number;
}
export interface Ports {
  list(): OpenPort[];
  /** Takes no new connection; those under way may end within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Binds every listener; rejects with the first that cannot be bound, and leaves none open then. */
export async function openPorts(
  listeners: readonly Listener[],
  serving: Serving,
  options: Pick<ListenOptions, "tls" | "refuses"> & { readonly log: Log },
): Promise<Ports> {
  const open: { readonly listener: Listener; readonly listening: Listening }[] = [];
  const close = async (graceMs: number) => {
    await Promise.all(open.map(({ listening }) => listening.close(graceMs)));
  };
  try {
    for (const listener of listeners) {
      const onConnection = serving.serve[listener.protocol];
      if (!onConnection) {
        options.log.error({ event: "listener-unknown", protocol: listener.protocol, port: listener.port });
        continue;
      }
      const refusal = serving.refusals[listener.protocol];
      open.push({ listener, listening: await listen({ ...options, listener, onConnection, refusal }) });
    }
  } catch (error) {
    await close(0);
    throw error;
  }
  return {
    list: () =>
      open.map(({ listener: { protocol, address, path }, listening }) => ({
        protocol,
        address: path ?? address,
        port: listening.port,
      })),
    close,
  };
}
