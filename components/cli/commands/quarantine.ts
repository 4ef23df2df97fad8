/** `mailkeep quarantine`: what policy keeps from its recipients, and what an administrator may do with it. */
import {
  isQuarantineAction,
  quarantineActions,
  quarantineCountLine,
  quarantinedLine,
  quarantinedText,
} from "../../../mailserver-runtime/admin/quarantine-lines.ts";
import { actionLines, type Command, summariesOf, UsageError, unknownName } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

const summaries = {
  list: "the messages that are kept",
  show: "messages with their envelopes, every reason and their headers",
  ...summariesOf(quarantineActions),
};
const names = Object.keys(summaries);

export const quarantine: Command = {
  name: "quarantine",
  summary: "show what the filter keeps from its recipients; release, learn or delete it",
  usage: `<${names.join(" | ")}> [id ...]`,
  details: actionLines(summaries),
  words: [0, 100],
  options: {
    ...stackOption,
    ...jsonOption,
    all: { summary: "every message of the quarantine, where none is named" },
  },
  async run({ options, words }) {
    const [name = "list", ...named] = words;
    if (!names.includes(name)) throw unknownName("action", name, names);
    if (named.length === 0 && name !== "list" && !options.all)
      throw new UsageError("which messages? Name their ids, or say --all");
    const { host } = await deployedStack(stackNamed(options));
    try {
      const { entries } = await host.perform("quarantine.list", {}, answerLimit());
      const wanted = named.length === 0 ? entries : entries.filter(({ id }) => named.includes(id));
      const ids = wanted.map(({ id }) => id);
      if (named.length > 0 && ids.length === 0) {
        process.stderr.write(`No message in the quarantine is called ${named.join(" or ")}.\n`);
        return 1;
      }
      if (isQuarantineAction(name)) {
        const { operation } = quarantineActions[name];
        const answer: { readonly count: number; readonly refused?: readonly string[] } =
          ids.length === 0 ? { count: 0 } : await host.perform(operation, { ids }, answerLimit());
        const { refused = [] } = answer;
        process.stdout.write(
          options.json ? `${JSON.stringify(answer)}\n` : `${quarantineCountLine(name, answer.count)}\n`,
        );
        process.stderr.write(refused.map((line) => `${line}\n`).join(""));
        return refused.length > 0 ? 1 : 0;
      }
      const shown =
        name === "show"
          ? await Promise.all(ids.map((id) => host.perform("quarantine.show", { id }, answerLimit())))
          : [];
      const objects = name === "show" ? shown : wanted;
      const lines = name === "show" ? shown.flatMap(quarantinedText) : wanted.map(quarantinedLine);
      if (options.json) process.stdout.write(objects.map((one) => `${JSON.stringify(one)}\n`).join(""));
      else process.stdout.write(lines.length > 0 ? `${lines.join("\n")}\n` : "The quarantine is empty.\n");
      return 0;
    } finally {
      await host.close();
    }
  },
};
