/**
 * `mailkeep explain`: where mail for an address goes, with the file and line behind each step; or what the filter finds in a
 * message file on the host, every symbol with its weight and its reason.
 */
import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const explain: Command = {
  name: "explain",
  summary:
    "say where mail for an address goes and which line of which file says so, or what the filter finds in a message file",
  usage: "<address> [--from <sender>] | <message file>",
  words: [1, 1],
  options: {
    ...stackOption,
    ...jsonOption,
    from: { summary: "the sender: its access, its relay and its rewriting are told, too", value: "sender" },
  },
  async run({ options, words }) {
    const stack = await deployedStack(stackNamed(options));
    try {
      const [what] = words as [string];
      const limit = { deadline: Date.now() + 120_000 };
      const from = typeof options.from === "string" ? { from: options.from } : {};
      // An address has no slash before its @, and a path without one needs it: ./message@example.
      const { lines } = /^[^/]+@[^/]+$/.test(what)
        ? await stack.host.perform("explain", { address: what, ...from }, limit)
        : await stack.host.perform("message.explain", { path: resolve(what), ...from }, limit);
      process.stdout.write(options.json ? `${JSON.stringify({ lines })}\n` : `${lines.join("\n")}\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
