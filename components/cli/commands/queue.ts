/** `mailkeep queue`: what waits to be sent, and what an operator may do with it. */
import {
  countLine,
  entryLine,
  type QueueAction,
  queueActions,
  selectionOf,
  shownLines,
} from "../../../mailserver-runtime/admin/queue-lines.ts";
import type { Host } from "../../host/connection.ts";
import { actionLines, type Command, summariesOf, UsageError, unknownName } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

const summaries = {
  list: "the messages that wait",
  show: "messages with their recipients, headers and the transcript of every attempt",
  ...summariesOf(queueActions),
};
const names = Object.keys(summaries);

export const queue: Command = {
  name: "queue",
  summary: "show what waits to be sent; hold, release, retry, bounce or delete it",
  usage: `<${names.join(" | ")}> [id | sender | recipient | recipient domain ...]`,
  details: actionLines(summaries),
  words: [0, 100],
  options: {
    ...stackOption,
    ...jsonOption,
    all: { summary: "every message of the queue, where none is named" },
  },
  async run({ options, words }) {
    const [name = "list", ...wanted] = words;
    if (!names.includes(name)) throw unknownName("action", name, names);
    if (wanted.length === 0 && !["list", "retry"].includes(name) && !options.all)
      throw new UsageError("which messages? Name ids, senders, recipients or their domains, or say --all");
    const select = wanted.length === 0 ? { all: true } : selectionOf(wanted);
    const stack = await deployedStack(stackNamed(options));
    try {
      if (isAction(name)) {
        const { count } = await stack.host.perform(queueActions[name].operation, { select }, answerLimit());
        process.stdout.write(options.json ? `${JSON.stringify({ count })}\n` : `${countLine(name, count)}\n`);
        return count === 0 && wanted.length > 0 ? 1 : 0;
      }
      const { entries, total } = await stack.host.perform("queue.list", { select }, answerLimit());
      if (total === 0 && wanted.length > 0) {
        process.stderr.write(`No message in the queue fits ${wanted.join(", ")}.\n`);
        return 1;
      }
      const shown =
        name === "show" ? await Promise.all(entries.map(({ id }) => shownOf(stack.host, id))) : [];
      const objects = name === "show" ? shown : entries;
      const lines = name === "show" ? shown.flatMap((one) => shownLines(one)) : entries.map(entryLine);
      if (total > entries.length) lines.push(`... and ${total - entries.length} more`);
      if (options.json) process.stdout.write(objects.map((one) => `${JSON.stringify(one)}\n`).join(""));
      else process.stdout.write(lines.length > 0 ? `${lines.join("\n")}\n` : "The queue is empty.\n");
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};

const isAction = (name: string): name is QueueAction => Object.hasOwn(queueActions, name);

const shownOf = (host: Host, id: string) => host.perform("queue.show", { id }, answerLimit());
