/**
 * The first process among the others: it keeps the directory of accounts and the workers, and answers what exists once.
 *
 * At rest it is alone, owns every account and answers nobody; all this costs it then is a socket and a map.
 */
import { availableParallelism } from "node:os";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Bans } from "../ban/bans.ts";
import { makeDirectory } from "../config/durable-file.ts";
import type { Asked } from "../filter/engines/engine-tally.ts";
import type { Foundation } from "../foundation.ts";
import type { Greylist } from "../greylist/greylist.ts";
import type { RunningQueue } from "../queue/outbound-queue.ts";
import type { SubmissionLimiter } from "../smtp/submission-limits/limiter.ts";
import type { MaildirStore } from "../store/maildir/store.ts";
import { AccountDirectory } from "./account-directory.ts";
import { FRONT, type ProcessNumber } from "./calls.ts";
import { attemptOf, wiredResult } from "./login-by-wire.ts";
import { Member } from "./member.ts";
import { WorkerPool } from "./worker-pool.ts";
import { removeSpool, removeSpools } from "./worker-spool.ts";

export interface FrontOptions {
  readonly foundation: Foundation;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logToStdout: boolean;
  /** The store of the first process's own accounts. */
  readonly store: MaildirStore;
  readonly authenticator: Authenticator;
  readonly limiter: Pick<SubmissionLimiter, "admit" | "giveBack" | "hasMet">;
  readonly greylist: Pick<Greylist, "ask" | "knows">;
  readonly bans: Pick<Bans, "offend">;
  readonly engineAsked: (asked: Asked) => void;
  readonly unsigned: (domain: string) => void;
  /** Opened after this. */
  readonly queue: () => RunningQueue;
  /** Connections that the first process serves itself. */
  readonly connections: () => number;
}
export interface Front {
  readonly member: Member;
  readonly pool: WorkerPool;
  /** Lets every worker read its files again; resolves when they are in force. */
  reload(what: "files" | "files and log"): Promise<void>;
}

export async function openFront(options: FrontOptions): Promise<Front> {
  const { foundation, store, authenticator, limiter, greylist, bans, queue } = options;
  const { directories, log, settings } = foundation;
  await makeDirectory(directories.run, 0o700);
  await removeSpools(directories);
  const directory = new AccountDirectory(async (owner, account) =>
    owner === FRONT
      ? member.ownership.release(account)
      : (await member.peers.call(owner, "letGo", { account })).free,
  );
  const spooling = new Spooling();
  const member = await Member.open({
    self: FRONT,
    directories,
    store,
    log,
    ownerOf: (_peers, account, purpose) => directory.ownerOf(account, FRONT, purpose),
    answers: {
      ownerOf: async ({ account, purpose }, from) => ({
        owner: await directory.ownerOf(account, from, purpose),
      }),
      verify: async (attempt) => wiredResult(await authenticator.verify(attemptOf(attempt))),
      limit: (request) => limiter.admit(request),
      hasMet: ({ account, address }) => ({ met: limiter.hasMet(account, address) }),
      async giveBack(counted) {
        await limiter.giveBack(counted);
        return null;
      },
      greylist: (question) => greylist.ask(question),
      greylistKnows: (question) => ({ known: greylist.knows(question) }),
      offend: (offence) => {
        bans.offend(offence);
        return null;
      },
      engineAsked: (asked) => {
        options.engineAsked(asked);
        return null;
      },
      unsigned: ({ domain }) => {
        options.unsigned(domain);
        return null;
      },
      async spooling({ id, stage }, from) {
        if (stage === "announced") spooling.begin(from, id);
        else spooling.end(from, id);
        if (stage === "queued") await queue().take(id);
        return null;
      },
      admit: ({ connection, address }, from) => ({
        refused: pool.get(from)?.admit(connection, address) ?? null,
      }),
    },
  });
  const pool: WorkerPool = new WorkerPool({
    worker: {
      directories,
      logToStdout: options.logToStdout,
      env: { NODE_COMPILE_CACHE: `${directories.run}/compile-cache`, ...options.env },
    },
    most: () => settings().workers.most || availableParallelism(),
    least: () => settings().workers.least,
    idleMs: () => settings().workers.idleSeconds * 1000,
    connections: () => options.connections() + member.sessions,
    beforeServing: (process) => reloadOne(process, "files"),
    onEnding: (process, gone) => directory.ending(process, gone),
    onGone(process) {
      directory.gone(process);
      for (const id of spooling.left(process))
        queue()
          .recover(id)
          .catch((error: unknown) => log.error({ id, error: String(error) }, "a message waits in the spool"));
      member.peers.forget(process);
      // What it was receiving was never acknowledged.
      removeSpool(directories, process).catch(() => {});
    },
    log,
  });
  const reloadOne = async (process: ProcessNumber, what: "files" | "files and log") => {
    // One that does not answer is gone, or not there yet: it reads everything before it serves.
    await member.peers.call(process, "reload", { reopenLog: what === "files and log" }).catch(() => {});
  };
  const reload: Front["reload"] = async (what) => {
    await Promise.all(pool.list().map(({ number }) => reloadOne(number, what)));
  };
  foundation.configuration.onChange(() => void reload("files"));
  return { member, pool, reload };
}

/** What each worker is putting into the spool. */
class Spooling {
  readonly #of = new Map<ProcessNumber, Set<string>>();
  begin(process: ProcessNumber, id: string): void {
    const ids = this.#of.get(process) ?? new Set();
    this.#of.set(process, ids.add(id));
  }
  end(process: ProcessNumber, id: string): void {
    this.#of.get(process)?.delete(id);
  }
  /** What a process that has ended did not finish. */
  left(process: ProcessNumber): readonly string[] {
    const ids = this.#of.get(process) ?? [];
    this.#of.delete(process);
    return [...ids];
  }
}
