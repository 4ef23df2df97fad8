/** `mailkeep queue`: what waits to be sent, and what an operator may do with it. */
import type { OperationAnswer } from "../../../mailserver-runtime/admin/contract.ts";
import type { Host } from "../../host/connection.ts";
import { type Command, UsageError, unknownName } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { jsonOption, stackNamed, stackOption } from "../stack-options.ts";

type Entry = OperationAnswer<"queue.list">["entries"][number];
const limit = () => ({ deadline: Date.now() + 60_000 });

/** What can be done, by name; each answers what is printed, and whether it could be done. */
const actions: Readonly<
  Record<string, { readonly summary: string; run(host: Host, entries: readonly Entry[]): Promise<string[]> }>
> = {
  list: {
    summary: "the messages that wait",
    run: async (_host, entries) => entries.map(entryLine),
  },
  show: {
    summary: "a message with its recipients and the transcript of every attempt",
    run: async (host, entries) => (await Promise.all(entries.map((entry) => shown(host, entry)))).flat(),
  },
  hold: {
    summary: "leave messages alone until they are released",
    run: (host, entries) =>
      each(
        entries,
        "held",
        async ({ id }) => (await host.perform("queue.hold", { id, held: true }, limit())).done,
      ),
  },
  release: {
    summary: "let held messages go",
    run: (host, entries) =>
      each(
        entries,
        "released",
        async ({ id }) => (await host.perform("queue.hold", { id, held: false }, limit())).done,
      ),
  },
  retry: {
    summary: "try messages now",
    run: (host, entries) =>
      each(
        entries,
        "tried now",
        async ({ id }) => (await host.perform("queue.retry", { id }, limit())).retried > 0,
      ),
  },
  delete: {
    summary: "take messages out without telling their senders",
    run: (host, entries) =>
      each(entries, "deleted", async ({ id }) => (await host.perform("queue.delete", { id }, limit())).done),
  },
};

export const queue: Command = {
  name: "queue",
  summary: "show what waits to be sent; hold, release, retry or delete it",
  usage: `<${Object.keys(actions).join(" | ")}> [id | sender | recipient domain ...]`,
  details: Object.entries(actions)
    .map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
    .join("\n"),
  words: [0, 100],
  options: {
    ...stackOption,
    ...jsonOption,
    all: { summary: "every message of the queue, where none is named" },
  },
  async run({ options, words }) {
    const [name = "list", ...wanted] = words;
    const action = actions[name];
    if (!action) throw unknownName("action", name, Object.keys(actions));
    if (wanted.length === 0 && !["list", "retry"].includes(name) && !options.all)
      throw new UsageError(`which messages? Name ids, senders or recipient domains, or say --all`);
    const stack = await deployedStack(stackNamed(options));
    try {
      const { entries } = await stack.host.perform("queue.list", {}, limit());
      const chosen =
        wanted.length === 0
          ? entries
          : entries.filter((entry) => wanted.some((word) => isMeant(entry, word)));
      if (wanted.length > 0 && chosen.length === 0) {
        process.stderr.write(`No message in the queue fits ${wanted.join(", ")}.\n`);
        return 1;
      }
      if (options.json && name === "list") {
        process.stdout.write(chosen.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
        return 0;
      }
      const lines = await action.run(stack.host, chosen);
      process.stdout.write(lines.length > 0 ? `${lines.join("\n")}\n` : "The queue is empty.\n");
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};

/** An id, a sender's address, or a recipient's domain or address. */
function isMeant(entry: Entry, word: string): boolean {
  const text = word.toLowerCase();
  return (
    entry.id === word ||
    entry.from.toLowerCase() === text ||
    entry.recipients.some(({ address }) => {
      const recipient = address.toLowerCase();
      return recipient === text || recipient.endsWith(`@${text}`);
    })
  );
}

function entryLine(entry: Entry): string {
  const waiting = entry.recipients.filter(({ status }) => status === "waiting" || status === "delivering");
  const to = waiting.map(({ address }) => address).join(", ");
  const next = entry.held ? "held" : `next ${new Date(entry.nextAttemptAt).toISOString()}`;
  const last = waiting.find(({ lastReply }) => lastReply)?.lastReply;
  const why = [entry.heldBecause, last].filter((reason) => reason).map((reason) => `\n    ${reason}`);
  return `${entry.id}  ${entry.from || "<>"} → ${to}  ${entry.size} bytes, ${entry.attempts} attempts, ${next}${why.join("")}`;
}

async function shown(host: Host, entry: Entry): Promise<string[]> {
  const { transcript } = await host.perform("queue.show", { id: entry.id }, limit());
  return [
    entryLine(entry),
    ...entry.recipients.map(
      ({ address, status, lastReply }) =>
        `  ${status.padEnd(10)} ${address}${lastReply ? `: ${lastReply}` : ""}`,
    ),
    ...transcript.map((line) => `  | ${line}`),
  ];
}

async function each(
  entries: readonly Entry[],
  done: string,
  run: (entry: Entry) => Promise<boolean>,
): Promise<string[]> {
  return Promise.all(
    entries.map(async (entry) => `${entry.id}  ${(await run(entry)) ? done : "left as it was"}`),
  );
}
