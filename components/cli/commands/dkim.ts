/** `mailkeep dkim`: which keys sign each domain's mail, and rotating them. */
import { actionLines, type Command, UsageError, unknownName } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

const actions = {
  status: "the keys of each domain, and how far a rotation is",
  rotate: "begin a rotation of a domain's keys, or do its next phase where that is due; then 'up' publishes",
};

export const dkim: Command = {
  name: "dkim",
  summary: "show the keys that sign mail; rotate them, one phase at a time",
  usage: "<status [domain] | rotate <domain>>",
  details: actionLines(actions),
  words: [1, 2],
  options: { ...stackOption, ...jsonOption },
  async run({ options, words }) {
    const [action = "", domain] = words;
    if (!Object.hasOwn(actions, action)) throw unknownName("action", action, Object.keys(actions));
    if (action === "rotate" && domain === undefined) throw new UsageError("rotate takes a domain");
    const stack = await deployedStack(stackNamed(options));
    try {
      const { lines, ...facts } =
        action === "rotate" && domain !== undefined
          ? await stack.host.perform("dkim.rotate", { domain }, answerLimit())
          : await stack.host.perform("dkim.status", domain === undefined ? {} : { domain }, answerLimit());
      process.stdout.write(options.json ? `${JSON.stringify(facts)}\n` : `${lines.join("\n")}\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
