/** `mailkeep mailbox`: looks at a mailbox, checks it, makes its indexes anew; `purge` deletes the mail of an address that no stack declares any more. The only command that does. */
import { createInterface } from "node:readline/promises";
import {
  examinationLines,
  isMailboxExamination,
  mailboxExaminations,
} from "../../../mailserver-runtime/admin/mailbox-lines.ts";
import { type Command, UsageError, unknownName } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { stackNamed, stackOption, yesOption } from "../stack-options.ts";

const LIMIT_MS = 60_000;
/** Every message of a large account may be read. */
const EXAMINE_MS = 3_600_000;

export const mailbox: Command = {
  name: "mailbox",
  summary: "look at a mailbox, check it or rebuild its index; delete for good the mail of a removed one",
  usage: "<stat | check | rebuild | purge> <address>",
  details:
    `${Object.entries(mailboxExaminations)
      .map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
      .join("\n")}\n` +
    "Removing a mailbox from the stack refuses its logins and its new mail and keeps its mail; declaring it again finds\n" +
    "everything. 'purge' ends that: it deletes the mail of an address that is not declared any more.",
  words: [2, 2],
  options: { ...stackOption, ...yesOption },
  async run({ options, words }) {
    const [action, address] = words as [string, string];
    if (action !== "purge" && !isMailboxExamination(action))
      throw unknownName("action", action, [...Object.keys(mailboxExaminations), "purge"]);
    const stack = await deployedStack(stackNamed(options));
    try {
      if (action !== "purge") {
        const { operation } = mailboxExaminations[action];
        const answer = await stack.host.perform(
          operation,
          { address },
          { deadline: Date.now() + EXAMINE_MS },
        );
        process.stdout.write(`${examinationLines(answer).join("\n")}\n`);
        return answer.problems.length > 0 ? 1 : 0;
      }
      if (!options.yes && !(await confirmed(address))) {
        process.stderr.write("Nothing was deleted.\n");
        return 1;
      }
      const { purged, messages, bytes } = await stack.host.perform(
        "mailbox.purge",
        { address },
        { deadline: Date.now() + LIMIT_MS },
      );
      process.stdout.write(
        purged
          ? `Deleted ${messages} ${messages === 1 ? "message" : "messages"} (${bytes} bytes) of ${address}.\n`
          : `There is no mail of ${address}.\n`,
      );
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};

async function confirmed(address: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError("this deletes mail: say --yes where nobody can be asked");
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asking.question(
    `This deletes all mail of ${address} for good. Type the address to go on: `,
  );
  asking.close();
  return answer.trim().toLowerCase() === address.toLowerCase();
}
