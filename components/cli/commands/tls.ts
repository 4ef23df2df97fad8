/** `mailkeep tls`: what each port of the server serves now, and another certificate before it is due. */
import { actionLines, type Command, UsageError, unknownName } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { answerLimit, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

const actions = {
  status: "what each port serves, by a real handshake for each name, and how each order stands",
  renew: "order a certificate anew, though the one in place is not near its end",
};

export const tls: Command = {
  name: "tls",
  summary: "show what each port serves; order a certificate anew",
  usage: "<status [name ...] | renew <name>>",
  details: actionLines(actions),
  words: [1, 100],
  options: { ...stackOption, ...jsonOption },
  async run({ options, words }) {
    const [action = "", ...names] = words;
    if (!Object.hasOwn(actions, action)) throw unknownName("action", action, Object.keys(actions));
    if (action === "renew" && names.length !== 1)
      throw new UsageError("renew takes the first name of a certificate");
    const stack = await deployedStack(stackNamed(options));
    try {
      if (action === "renew") {
        const { lines } = await stack.host.perform("certificate.renew", { names }, answerLimit());
        process.stdout.write(`${lines.join("\n")}\n`);
        return 0;
      }
      const request = names.length === 0 ? {} : { names };
      const { lines, ...status } = await stack.host.perform("tls.status", request, answerLimit());
      process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : `${lines.join("\n")}\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
