/** `mailkeep mailbox`: looks at a mailbox, checks it, makes its indexes anew; `purge` deletes the mail of an address that no stack declares any more. The only command that does. */
import { createInterface } from "node:readline/promises";
import {
  examinationLines,
  expungedLines,
  isMailboxExamination,
  mailboxExaminations,
  undeletedLines,
  undeleteOptions,
} from "../../../mailserver-runtime/admin/mailbox-lines.ts";
import type { Host } from "../../host/connection.ts";
import {
  actionLines,
  type Command,
  type OptionValues,
  summariesOf,
  UsageError,
  unknownName,
} from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, stackNamed, stackOption, yesOption } from "../stack-options.ts";

/** Every message of a large account may be read. */
const EXAMINE_MS = 3_600_000;

export const mailbox: Command = {
  name: "mailbox",
  summary:
    "look at a mailbox, check it, rebuild its index, bring expunged messages back; delete for good the mail of a removed one",
  usage: "<stat | check | rebuild | undelete | purge> <address>",
  details:
    `${actionLines(summariesOf(mailboxExaminations))}\n` +
    "  undelete brings back what was expunged within the window of the settings (mailbox.undelete); --list only shows it\n" +
    "Removing a mailbox from the stack refuses its logins and its new mail and keeps its mail; declaring it again finds\n" +
    "everything. 'purge' ends that: it deletes the mail of an address that is not declared any more.",
  words: [2, 2],
  options: {
    ...stackOption,
    ...yesOption,
    ...undeleteOptions,
    list: { summary: "undelete: only show what can be brought back" },
  },
  async run({ options, words }) {
    const [action, address] = words as [string, string];
    if (!["purge", "undelete"].includes(action) && !isMailboxExamination(action))
      throw unknownName("action", action, [...Object.keys(mailboxExaminations), "undelete", "purge"]);
    const stack = await deployedStack(stackNamed(options));
    try {
      if (action === "undelete") return await undelete(stack.host, address, options);
      if (isMailboxExamination(action)) {
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
        answerLimit(),
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

async function undelete(host: Host, address: string, options: OptionValues): Promise<number> {
  const selection = Object.fromEntries(
    Object.keys(undeleteOptions).flatMap((name) =>
      options[name] === undefined ? [] : [[name, options[name]]],
    ),
  );
  const limit = { deadline: Date.now() + EXAMINE_MS };
  if (options.list) {
    const found = await host.perform("mailbox.expunged", { address, ...selection }, limit);
    process.stdout.write(`${expungedLines(found).join("\n")}\n`);
    return 0;
  }
  const answer = await host.perform("mailbox.undelete", { address, ...selection }, limit);
  process.stdout.write(`${undeletedLines(answer).join("\n")}\n`);
  return answer.mailboxes.length > 0 ? 0 : 1;
}

async function confirmed(address: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError("this deletes mail: say --yes where nobody can be asked");
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asking.question(
    `This deletes all mail of ${address} for good. Type the address to go on: `,
  );
  asking.close();
  return answer.trim().toLowerCase() === address.toLowerCase();
}
