/**
 * What an administrator does with quarantined messages: look, let go, teach, delete.
 *
 * A released message goes through routing again as it is now, is not filtered again, and lies in INBOX. It leaves the
 * quarantine when it is durable elsewhere: whoever is interrupted between the two has it twice rather than not at all.
 */
import { readHeaders } from "../message/headers.ts";
import type { QueueSubmission } from "../queue/queue.ts";
import type { Refusal } from "../routing/route.ts";
import type { Quarantine, QuarantineEntry } from "./quarantine.ts";

export interface QuarantineOperator {
  list(): Promise<readonly QuarantineEntry[]>;
  show(id: string): Promise<{ readonly entry: QuarantineEntry; readonly headers: Buffer } | undefined>;
  /** Each of these says to how many of the messages it was done. */
  release(ids: readonly string[]): Promise<{ readonly count: number; readonly refused: readonly string[] }>;
  /** Teaches the classifier that they are ham, for all and for the accounts they were meant for. */
  learn(ids: readonly string[]): Promise<number>;
  remove(ids: readonly string[]): Promise<number>;
}
export interface QuarantineOperatorOptions {
  readonly quarantine: Quarantine;
  /** To the account itself; resolves with why not, where routing refuses (`reentry.ts`). */
  readonly toAccount: (submission: QueueSubmission) => Promise<Refusal | undefined>;
  /** On to another host. */
  readonly forward: (submission: QueueSubmission) => Promise<Refusal | undefined>;
  /** The reverse-path of a forward (SRS). */
  readonly forwardSender: (reversePath: string) => string;
  readonly learn: (content: Awaited<ReturnType<Quarantine["content"]>>, user?: string) => Promise<void>;
}

export function quarantineOperator(options: QuarantineOperatorOptions): QuarantineOperator {
  const { quarantine } = options;

  /** Does something with each message that is there; the number of them. */
  async function withEach(
    ids: readonly string[],
    act: (entry: QuarantineEntry) => Promise<boolean>,
  ): Promise<number> {
    let count = 0;
    for (const id of new Set(ids)) {
      const entry = await quarantine.find(id);
      if (entry !== undefined && (await act(entry))) count += 1;
    }
    return count;
  }
  async function withContent<T>(
    entry: QuarantineEntry,
    use: (content: Awaited<ReturnType<Quarantine["content"]>>) => Promise<T>,
  ): Promise<T> {
    const content = await quarantine.content(entry);
    try {
      return await use(content);
    } finally {
      await content.dispose();
    }
  }
  /** Why it went nowhere; undefined: it is where it belongs. */
  function send(entry: QuarantineEntry): Promise<Refusal | undefined> {
    return withContent(entry, async (content) => {
      const addresses = (kind: QuarantineEntry["recipients"][number]["kind"]) =>
        entry.recipients.filter((one) => one.kind === kind).map(({ address }) => ({ address }));
      const { smtpUtf8, body, id: cause } = entry;
      const common = { prefix: Buffer.alloc(0), content, cause };
      const envelope = { smtpUtf8, body };
      let refusal: Refusal | undefined;
      const accounts = addresses("account");
      for (const recipient of accounts)
        refusal =
          (await options.toAccount({
            ...common,
            envelope: { ...envelope, from: entry.from, recipients: [recipient] },
          })) ?? refusal;
      const forwards = addresses("forward");
      if (forwards.length > 0)
        refusal =
          (await options.forward({
            ...common,
            envelope: { ...envelope, from: options.forwardSender(entry.from), recipients: forwards },
          })) ?? refusal;
      return refusal;
    });
  }

  return {
    list: () => quarantine.list(),
    async show(id) {
      const entry = await quarantine.find(id);
      if (entry === undefined) return undefined;
      return withContent(entry, async (content) => {
        const headers = await readHeaders(content);
        return { entry, headers: headers.bytes.subarray(0, headers.end) };
      });
    },
    async release(ids) {
      const refused: string[] = [];
      const count = await withEach(ids, async (entry) => {
        const refusal = await send(entry);
        if (refusal !== undefined) {
          refused.push(`${entry.id}: ${refusal.text}`);
          return false;
        }
        return quarantine.remove(entry.id);
      });
      return { count, refused };
    },
    learn: (ids) =>
      withEach(ids, async (entry) => {
        const accounts = entry.recipients.flatMap(({ kind, address }) =>
          kind === "account" ? [address] : [],
        );
        // One user's model with the model of all; a message is counted there once.
        await withContent(entry, (content) => options.learn(content, accounts[0]));
        return true;
      }),
    remove: (ids) => withEach(ids, ({ id }) => quarantine.remove(id)),
  };
}
