/**
 * A process as one of several of a server: its accounts and the way to the others', the sessions it relays and those
 * that are relayed to it. The first process is one too, from the start: its accounts are known before a worker asks.
 */
import type { Connection } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import type { SocketConnection } from "../net/socket-connection.ts";
import type { Directories } from "../settings/directories.ts";
import { type AccountOwner, OwnedStore, placeCopy, prepare } from "../store/maildir/owned-store.ts";
import type { MaildirStore } from "../store/maildir/store.ts";
import type { Answers, ProcessNumber, Purpose } from "./calls.ts";
import { Ownership } from "./ownership.ts";
import { Peers } from "./peers.ts";
import {
  type CutOff,
  type OwnedSessionOptions,
  type RelayedProtocol,
  type RelayedSession,
  SessionRelay,
  serveRelayed,
} from "./session-relay.ts";

export interface MemberOptions {
  readonly self: ProcessNumber;
  readonly directories: Pick<Directories, "mail" | "run">;
  /** The store of this process's own accounts. */
  readonly store: MaildirStore;
  /** Asks the directory (account-directory.ts). */
  readonly ownerOf: (
    peers: Peers,
    account: string,
    purpose: Purpose,
  ) => ProcessNumber | Promise<ProcessNumber>;
  /** What this process answers besides what every one does. */
  readonly answers: Answers;
  readonly log: Log;
}
/** Opens an account for a session that another process relays, and gives what serves it. */
export type Resume = (
  account: string,
  events: { readonly compressed: () => void },
) => Promise<(connection: Connection) => Promise<void>>;

export class Member {
  readonly store: OwnedStore;
  readonly relay: SessionRelay;
  readonly ownership: Ownership;
  readonly #options: MemberOptions;
  readonly #relayed = new Set<SocketConnection>();
  #peers: Peers | undefined;
  #resume: Partial<Readonly<Record<RelayedProtocol, Resume>>> = {};

  private constructor(options: MemberOptions) {
    const { self, store, directories } = options;
    this.#options = options;
    this.ownership = new Ownership({
      self,
      ownerOf: (account, purpose) => options.ownerOf(this.peers, account, purpose),
      owner: (process) => this.#owner(process),
      letGo: (account) => store.letGo(account),
      isShared: (account) => store.takesPartInSharing(account),
    });
    this.store = new OwnedStore(store, this.ownership, directories.mail);
    this.relay = new SessionRelay(self, () => this.peers);
  }

  static async open(options: MemberOptions): Promise<Member> {
    const member = new Member(options);
    const { self, directories, log } = options;
    member.#peers = await Peers.open({
      directory: directories.run,
      self,
      answers: { ...member.#answers(), ...options.answers },
      onSession: (socket, session) => {
        const relayed = session as RelayedSession;
        const connection = serveRelayed(socket, relayed, member.#owned());
        member.#relayed.add(connection);
        connection.onClosed = () => void member.#relayed.delete(connection);
      },
      log,
    });
    return member;
  }

  get peers(): Peers {
    return this.#peers!;
  }
  /** Sessions of other processes' clients that are served here. */
  get sessions(): number {
    return this.#relayed.size;
  }

  /** From now on relayed sessions are served so. */
  serve(resume: Partial<Readonly<Record<RelayedProtocol, Resume>>>): void {
    this.#resume = resume;
  }

  /** What a session asks after a login: where the account is another's, what serves the session from there on. */
  async elsewhere(
    protocol: RelayedProtocol,
    account: string,
    connection: Connection,
    cutOff: CutOff,
  ): Promise<(() => Promise<void>) | undefined> {
    const owner = await this.ownership.locate(account.toLowerCase());
    if (owner === this.#options.self) return undefined;
    this.#options.log.info({ event: "session-relayed", protocol, account, owner, connection: connection.id });
    return this.relay.open(owner, { protocol, account: account.toLowerCase(), cutOff }, connection);
  }

  /** Wakes relayed sessions with "shutdown", and destroys what is left after `graceMs`; resolves when none is left. */
  async drain(graceMs: number): Promise<void> {
    for (const connection of this.#relayed) connection.shutDown();
    const until = Date.now() + graceMs;
    while (this.#relayed.size > 0 && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const connection of this.#relayed) connection.destroy();
  }
  /** Ends the connections to the other processes. */
  close(): Promise<void> {
    return this.peers.close();
  }

  #answers(): Answers {
    const { store } = this.#options;
    const { ownership } = this;
    return {
      relay: ({ id, event }) => {
        this.relay.heard(id, event);
        return null;
      },
      place: async (copy) => {
        await ownership.here(copy.account, () => placeCopy(store, copy));
        return null;
      },
      prepare: async ({ account }) => {
        await ownership.here(account, () => prepare(store, account));
        return null;
      },
      usage: ({ account }) => ownership.here(account, () => store.usage(account)),
      examine: ({ account, how }) => ownership.here(account, () => store.examine(account, how)),
      expire: ({ account }) => ownership.here(account, () => store.expire(account)),
      expunged: ({ account, selection }) =>
        ownership.here(account, () => store.expungedMessages(account, selection)),
      undelete: ({ account, selection }) => ownership.here(account, () => store.undelete(account, selection)),
      forget: async ({ account }) => {
        await ownership.here(account, () => store.forget(account));
        return null;
      },
      letGo: async ({ account }) => ({ free: await ownership.release(account) }),
    };
  }
  #owner(process: ProcessNumber): AccountOwner {
    return {
      place: async (copy) => void (await this.peers.call(process, "place", copy)),
      prepare: async (account) => void (await this.peers.call(process, "prepare", { account })),
      usage: (account) => this.peers.call(process, "usage", { account }),
      examine: (account, how) => this.peers.call(process, "examine", { account, how }),
      expire: (account) => this.peers.call(process, "expire", { account }),
      expungedMessages: (account, selection) => this.peers.call(process, "expunged", { account, selection }),
      undelete: (account, selection) => this.peers.call(process, "undelete", { account, selection }),
      forget: async (account) => void (await this.peers.call(process, "forget", { account })),
    };
  }
  #owned(): OwnedSessionOptions {
    const tell: OwnedSessionOptions["tell"] = ({ from, id }, event) => {
      // Who relayed it may have ended: then nobody has to hear.
      this.peers.call(from, "relay", { id, event }).catch(() => {});
    };
    return {
      tell,
      log: this.#options.log,
      open: async (session) => {
        const resume = this.#resume[session.protocol];
        if (resume === undefined) throw new Error(`${session.protocol} is not served here`);
        const { account } = session;
        const serve = await this.ownership.here(account, () =>
          resume(account, { compressed: () => tell(session, "compressed") }),
        );
        return serve;
      },
    };
  }
}
