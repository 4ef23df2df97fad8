/** `mailkeep learn`: teaches the host's filter what is spam and what is not, from files, folders and mailboxes of the host. */
import { resolve } from "node:path";
import { learnSource, learntLine } from "../../../mailserver-runtime/admin/learn-lines.ts";
import { type Command, UsageError } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { stackNamed, stackOption } from "../stack-options.ts";

/** A mailbox of many years is read whole. */
const LIMIT_MS = 3_600_000;

export const learn: Command = {
  name: "learn",
  summary: "teach the filter what is spam and what is not",
  usage: "<spam | ham> <file | folder | account:mailbox> ...",
  details:
    "Files and folders are paths on the mail host: single messages, mbox files, Maildirs, folders of files.\n" +
    "The filter has no say before it knows 200 messages of each kind.",
  words: [2, 100],
  options: {
    ...stackOption,
    account: { summary: "teach this account's own model as well", value: "address" },
  },
  async run({ options, words }) {
    const [as, ...sources] = words;
    if (as !== "spam" && as !== "ham") throw new UsageError(`learn what? spam or ham, not "${as}"`);
    const { host } = await deployedStack(stackNamed(options));
    try {
      for (const source of sources) {
        const asked = learnSource(source, resolve);
        const account = typeof options.account === "string" ? { account: options.account } : {};
        const answer = await host.perform(
          "learn",
          { as, ...account, ...asked },
          { deadline: Date.now() + LIMIT_MS },
        );
        process.stdout.write(`${learntLine(source, as, answer)}\n`);
      }
      return 0;
    } finally {
      await host.close();
    }
  },
};
