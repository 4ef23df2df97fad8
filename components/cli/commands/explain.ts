/** `mailkeep explain`: where mail for an address goes, with the file and line behind each step. */
import type { Command } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const explain: Command = {
  name: "explain",
  summary: "say where mail for an address goes, and which line of which file says so",
  usage: "<address> [--from <sender>]",
  words: [1, 1],
  options: {
    ...stackOption,
    ...jsonOption,
    from: { summary: "the sender: its access, its relay and its rewriting are told, too", value: "sender" },
  },
  async run({ options, words }) {
    const stack = await deployedStack(stackNamed(options));
    try {
      const { lines } = await stack.host.perform(
        "explain",
        { address: words[0]!, ...(typeof options.from === "string" && { from: options.from }) },
        { deadline: Date.now() + 30_000 },
      );
      process.stdout.write(options.json ? `${JSON.stringify({ lines })}\n` : `${lines.join("\n")}\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
