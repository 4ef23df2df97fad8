/** `mailkeep probe`: proves that mail flows, with one message through the whole way. */
import { type Command, UsageError } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { prove, stepLine } from "../local/proof.ts";
import { jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const probe: Command = {
  name: "probe",
  summary: "prove that mail flows: one message from mailbox to mailbox, each step with its time",
  details:
    "A message goes from a mailbox of one declared domain to a mailbox of another: submission, DKIM, queue, MX look-up,\n" +
    "reception, SPF, DKIM and DMARC, Maildir, IMAP; then it is deleted. Exit code 0 when every step held, else 1.",
  options: {
    ...stackOption,
    from: { summary: "the sending mailbox; the first one declared when absent", value: "address" },
    to: { summary: "the receiving mailbox; one of another domain when absent", value: "address" },
    timeout: { summary: "seconds to wait for the message; 30 when absent", value: "seconds" },
    ...jsonOption,
  },
  async run({ options }) {
    const seconds = options.timeout === undefined ? 30 : Number(options.timeout);
    if (!(seconds > 0 && seconds <= 3600))
      throw new UsageError("--timeout is a number of seconds from 1 to 3600");
    const stack = await deployedStack(stackNamed(options));
    const show = options.json
      ? undefined
      : (step: Parameters<typeof stepLine>[0]) => void process.stdout.write(`${stepLine(step)}\n`);
    try {
      const report = await prove(stack, {
        from: text(options.from),
        to: text(options.to),
        timeoutMs: seconds * 1000,
        onStep: show,
      });
      if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else
        process.stdout.write(
          `\n${report.ok ? "Mail flows" : "Mail does not flow"}: ${report.from} → ${report.to}, ${report.steps.length} steps in ${report.ms} ms\n`,
        );
      return report.ok ? 0 : 1;
    } finally {
      await stack.host.close();
    }
  },
};

const text = (value: string | true | undefined) => (typeof value === "string" ? value : undefined);
