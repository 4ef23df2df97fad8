/** `mailkeep trace`: one message's whole way through the server, from its log, across queue ids. */
import type { Command } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const trace: Command = {
  name: "trace",
  summary: "tell the whole way of a message, or of all mail of a sender or recipient, from the log",
  usage: "<message-id | queue id | sender | recipient>",
  words: [1, 1],
  options: { ...stackOption, ...jsonOption },
  async run({ options, words }) {
    const about = words[0]!;
    const stack = await deployedStack(stackNamed(options));
    try {
      const { events, lines } = await stack.host.perform("trace", { about }, answerLimit());
      if (events.length === 0) {
        process.stderr.write(`The log knows nothing of ${about}.\n`);
        return 1;
      }
      const json = () =>
        events.map(({ at, event, fields }) => JSON.stringify({ time: at, event, ...fields }));
      process.stdout.write(`${(options.json ? json() : lines).join("\n")}\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
