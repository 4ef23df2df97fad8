/** The ports of a server: opened together when everything behind them stands, closed together and first. */

import type { Connection } from "./net/connection.ts";
import { type Listening, type ListenOptions, listen } from "./net/listen.ts";
import type { Log } from "./net/log.ts";
import type { Serving } from "./serving.ts";
import type { Listener } from "./settings/schema.ts";

/** A port as it is bound. */
export interface OpenPort {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

export class Ports {
  readonly #open: { readonly listener: Listener; readonly listening: Listening }[] = [];

  /** Binds every listener; rejects with the first that cannot be bound, and leaves none open then. */
  async open(
    listeners: readonly Listener[],
    serving: Serving,
    options: Pick<ListenOptions, "tls" | "refuses" | "onTooMany" | "handOver" | "tlsProof"> & {
      readonly log: Log;
    },
  ): Promise<void> {
    try {
      for (const listener of listeners) {
        const onConnection = serving.serve[listener.protocol];
        if (!onConnection) {
          options.log.error({ event: "listener-unknown", protocol: listener.protocol, port: listener.port });
          continue;
        }
        const refusal = serving.refusals[listener.protocol];
        const { tlsProof, ...forAll } = options;
        const proof = listener.protocol === "https" && tlsProof ? { tlsProof } : {};
        const listening = await listen({ ...forAll, ...proof, listener, onConnection, refusal });
        this.#open.push({ listener, listening });
      }
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  list(): OpenPort[] {
    return this.#open.map(({ listener: { protocol, address, path }, listening }) => ({
      protocol,
      address: path ?? address,
      port: listening.port,
    }));
  }
  /** TCP ports that clients themselves connect to, not a proxy for them. */
  reachedDirectly(): number[] {
    const direct = this.#open.filter(
      ({ listener }) => listener.path === undefined && listener.proxyProtocol.length === 0,
    );
    return [...new Set(direct.map(({ listening }) => listening.port))];
  }
  /** Connections that this process serves. */
  get connections(): number {
    return this.#open.reduce((sum, { listening }) => sum + listening.connections, 0);
  }

  /** Gives a connection that this process serves away; see Listening. */
  giveAway(connection: Connection): ReturnType<Listening["giveAway"]> {
    for (const { listening } of this.#open) {
      const given = listening.giveAway(connection);
      if (given !== undefined) return given;
    }
    return undefined;
  }

  /** Takes no new connection; those under way may end within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#open.map(({ listening }) => listening.close(graceMs)));
  }
}
