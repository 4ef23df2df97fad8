/** `mailkeep reports`: what others report about our domains, by domain and source. */
import { type Command, UsageError } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const reports: Command = {
  name: "reports",
  summary: "sum up what others report about the domains: DMARC (who sends in their name) and TLS",
  usage: "[domain] [--days <number>]",
  words: [0, 1],
  options: {
    ...stackOption,
    ...jsonOption,
    days: { summary: "reports about so many days back; 30 when it is not said", value: "number" },
  },
  async run({ options, words }) {
    const days = Number(options.days ?? 30);
    if (!Number.isInteger(days) || days < 1) throw new UsageError("--days takes a whole number from 1");
    const stack = await deployedStack(stackNamed(options));
    try {
      const { lines, ...summary } = await stack.host.perform(
        "reports",
        { days, ...(words[0] === undefined ? {} : { domain: words[0] }) },
        answerLimit(),
      );
      process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${lines.join("\n")}\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
