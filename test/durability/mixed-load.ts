/**
 * Everybody at once: strangers and a user who send, two IMAP clients who change their mailboxes, an operator who takes
 * messages out of the queue. What they know is kept here between one server process and the next.
 */
import { connectAdmin } from "../../mailserver-runtime/admin/client.ts";
import type { Directories } from "../../mailserver-runtime/settings/directories.ts";
import { AccountModel, type Depth } from "./account-model.ts";
import { workOnAccount } from "./imap-load.ts";
import { Ledger, now, type Submission } from "./ledger.ts";
import type { Random } from "./random.ts";
import { ACCOUNTS, PASSWORD, type RunningServer, type Site } from "./site.ts";
import { sendFromInside, sendFromOutside } from "./smtp-load.ts";
import { ConnectionLost, ImapClient, SmtpClient } from "./wire.ts";

const STRANGERS = 2;
/** Accounts somebody works on; the others' mail is only looked at after each start. */
const WORKED_ON = ACCOUNTS.slice(0, 2);

/** What all clients together were told until some moment. */
export class Knowledge {
  readonly ledger: Ledger;
  readonly models: ReadonlyMap<string, AccountModel>;

  constructor(
    ledger = new Ledger(),
    models: Iterable<AccountModel> = ACCOUNTS.map((account) => new AccountModel(account)),
  ) {
    this.ledger = ledger;
    this.models = new Map([...models].map((model) => [model.address, model]));
  }
  copy(): Knowledge {
    return new Knowledge(
      this.ledger.copy(),
      [...this.models.values()].map((model) => model.copy()),
    );
  }

  /** Compares every account with what its clients know; resolves with the contradictions. */
  async compare(server: RunningServer, depth: Depth): Promise<string[]> {
    const problems: string[] = [];
    for (const model of this.models.values()) {
      const client = await ImapClient.open(server.port("imaps"), model.address, PASSWORD);
      problems.push(...(await model.reconcile(client, this.ledger, depth)));
      client.wire.end();
    }
    return [...problems, ...this.ledger.localProblems()];
  }
}

export class MixedLoad {
  readonly known = new Knowledge();
  readonly #random: Random;
  readonly #again: Submission[][] = Array.from({ length: STRANGERS + 1 }, () => []);
  #tokens = 0;

  constructor(random: Random) {
    this.#random = random;
  }
  readonly newToken = (): string => `T${++this.#tokens}`;

  /** Works until `isOver` or the server's death, whichever comes first. Rejects when somebody was told something wrong. */
  async run(server: RunningServer, site: Site, isOver: () => boolean): Promise<void> {
    const { newToken } = this;
    const { ledger, models } = this.known;
    const workers: (() => Promise<void>)[] = [];
    for (let at = 0; at < STRANGERS; at++)
      workers.push(async () => {
        const client = await SmtpClient.open(server.port("smtp"));
        const load = { client, ledger, newToken, random: this.#random.fork(), again: this.#again[at]! };
        await sendFromOutside(load, isOver).finally(() => client.wire.end());
      });
    workers.push(async () => {
      const client = await SmtpClient.submission(server.port("submissions"), ACCOUNTS[0], PASSWORD);
      const load = { client, ledger, newToken, random: this.#random.fork(), again: this.#again[STRANGERS]! };
      await sendFromInside(load, isOver).finally(() => client.wire.end());
    });
    for (const account of WORKED_ON)
      workers.push(async () => {
        const client = await ImapClient.open(server.port("imaps"), account, PASSWORD);
        const load = {
          client,
          ledger,
          newToken,
          random: this.#random.fork(),
          model: models.get(account)!,
        };
        await workOnAccount(load, isOver).finally(() => client.wire.end());
      });
    workers.push(() => this.#operate(site, isOver));
    const results = await Promise.allSettled(workers.map((work) => work()));
    for (const result of results)
      if (result.status === "rejected" && !(result.reason instanceof ConnectionLost)) throw result.reason;
  }

  /** Takes messages that wait out of the queue now and then. */
  async #operate(site: Site, isOver: () => boolean): Promise<void> {
    const admin = await connectAdmin(site.directories.run);
    if (admin === undefined) return;
    try {
      while (!isOver()) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const entries = await queued(admin);
        const waiting = entries.find(({ to }) => to[0]?.startsWith("hold-"));
        const token = /^hold-([^@]+)/.exec(waiting?.to[0] ?? "")?.[1];
        if (waiting === undefined || token === undefined) continue;
        const askedAt = now();
        const submission = this.known.ledger.submissions.get(token)!;
        submission.removedAt = Number.POSITIVE_INFINITY;
        const line = await admin.ask(
          JSON.stringify({ operation: "queue.delete", request: { select: { ids: [waiting.id] } } }),
        );
        const { answer } = JSON.parse(line) as { answer?: { count: number } };
        if (answer?.count !== 1) {
          // Not taken out (it was being read after a start, say): it is still to arrive.
          submission.removedAt = undefined;
          continue;
        }
        submission.removedAt = now();
        this.known.ledger.exchanges.push({
          what: "removed",
          token,
          port: 0,
          askedAt,
          answeredAt: submission.removedAt,
        });
      }
    } catch (error) {
      if (!/closed the connection/.test(String(error))) throw error;
    } finally {
      admin.close();
    }
  }
}

/** Waits until the queue is empty. */
export async function drained({ run }: Directories, withinMs: number): Promise<boolean> {
  for (const deadline = Date.now() + withinMs; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const admin = await connectAdmin(run);
    try {
      if (admin !== undefined && (await queued(admin)).length === 0) return true;
      if (Date.now() > deadline) return false;
    } finally {
      admin?.close();
    }
  }
}
async function queued(admin: { ask(line: string): Promise<string> }) {
  const line = await admin.ask(JSON.stringify({ operation: "queue.list", request: {} }));
  const { answer } = JSON.parse(line) as {
    answer: { entries: { id: string; recipients: { address: string }[] }[] };
  };
  return answer.entries.map(({ id, recipients }) => ({ id, to: recipients.map(({ address }) => address) }));
}
