/**
 * The local sockets between the processes of one server: each listens on `run/process-<number>.sock` and is asked there;
 * whoever asks keeps one connection to each process it has asked.
 *
 * The first line of a connection says what it is: questions (peer.ts), or a client's session that is relayed to the owner
 * of its account (relay.ts), whose bytes follow.
 */
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { bindLocally, localSocketPath } from "../net/local-socket.ts";
import type { Log } from "../net/log.ts";
import type { Answers, CallName, Calls, ProcessNumber } from "./calls.ts";
import { answerPeer, Peer, PeerGone } from "./peer.ts";

/** The first line of a connection. */
type Opening =
  | { readonly kind: "questions"; readonly from: ProcessNumber }
  | { readonly kind: "session"; readonly session: unknown };

export interface PeersOptions {
  /** The run directory. */
  readonly directory: string;
  readonly self: ProcessNumber;
  readonly answers: Answers;
  /** Takes a relayed session: the socket, and what the other side said of it. */
  readonly onSession: (socket: Socket, session: unknown) => void;
  readonly log: Log;
}
/** An opening line holds a client's addresses and names; nothing of ours is longer. */
const MAX_OPENING = 64 * 1024;

export class Peers {
  readonly #options: PeersOptions;
  readonly #server: Server;
  readonly #incoming = new Set<Socket>();
  readonly #outgoing = new Map<ProcessNumber, Promise<Peer>>();

  private constructor(options: PeersOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Binds this process's socket. */
  static async open(options: PeersOptions): Promise<Peers> {
    const peers = new Peers(options);
    const address = localSocketPath(options.directory, socketName(options.self));
    try {
      rmSync(address.path, { force: true });
      await bindLocally(peers.#server, address.path);
    } finally {
      address.release();
    }
    return peers;
  }

  /** Asks a process. Rejects with PeerGone where it is not there or ends before it answers. */
  async call<N extends CallName>(
    process: ProcessNumber,
    call: N,
    request: Calls[N]["request"],
  ): Promise<Calls[N]["answer"]> {
    let peer = this.#outgoing.get(process);
    if (peer === undefined) {
      peer = this.#connect(process);
      this.#outgoing.set(process, peer);
    }
    return (await peer).call(call, request);
  }

  /** Opens a connection for a client's session at another process. Rejects with PeerGone. */
  async openSession(process: ProcessNumber, session: unknown): Promise<Socket> {
    const socket = await reach(this.#options.directory, process);
    socket.write(openingLine({ kind: "session", session }));
    return socket;
  }

  /** Ends all connections; what waits for an answer is rejected. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const peer of this.#outgoing.values()) (await peer.catch(() => undefined))?.close();
    for (const socket of this.#incoming) socket.destroy();
    await closed;
    this.forget(this.#options.self);
  }
  /** Removes what a process that has ended left in the run directory. */
  forget(process: ProcessNumber): void {
    const address = localSocketPath(this.#options.directory, socketName(process));
    try {
      rmSync(address.path, { force: true });
    } finally {
      address.release();
    }
  }

  async #connect(process: ProcessNumber): Promise<Peer> {
    const forget = () => this.#outgoing.delete(process);
    try {
      const socket = await reach(this.#options.directory, process);
      socket.write(openingLine({ kind: "questions", from: this.#options.self }));
      return new Peer(socket, forget);
    } catch (error) {
      forget();
      throw error;
    }
  }

  #accept(socket: Socket): void {
    this.#incoming.add(socket);
    socket.on("close", () => this.#incoming.delete(socket));
    socket.on("error", () => socket.destroy());
    let bytes = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf(10);
      if (end < 0) {
        if (bytes.length > MAX_OPENING) socket.destroy();
        return;
      }
      socket.off("data", read);
      const opening = JSON.parse(bytes.toString("utf8", 0, end)) as Opening;
      const rest = bytes.subarray(end + 1);
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
      if (opening.kind === "session") this.#options.onSession(socket, opening.session);
      else answerPeer(socket, opening.from, this.#options.answers);
      socket.resume();
    };
    socket.on("data", read);
  }
}

function socketName(process: ProcessNumber): string {
  return `process-${process}.sock`;
}
function openingLine(opening: Opening): string {
  return `${JSON.stringify(opening)}\n`;
}

function reach(directory: string, process: ProcessNumber): Promise<Socket> {
  const address = localSocketPath(directory, socketName(process));
  return new Promise((resolve, reject) => {
    const socket = connect(address.path);
    const failed = (error: Error) => {
      address.release();
      reject(new PeerGone(`process ${process} cannot be reached: ${error.message}`));
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      address.release();
      resolve(socket);
    });
  });
}
