/** `mailkeep start` (`npm start`): up on the local target with the embedded engine, then the proof that mail flows. */
import type { Command } from "../command.ts";
import { deployedStack, knownPasswords } from "../local/deployed-stack.ts";
import { prove, stepLine } from "../local/proof.ts";
import { welcome } from "../local/welcome.ts";
import { stackNamed, stackOption } from "../stack-options.ts";

const PROBE_TIMEOUT_MS = 30_000;

export const start: Command = {
  name: "start",
  summary: "bring a local stack up and prove that mail flows; returns with the server running",
  details:
    "What 'mailkeep up --yes' and 'mailkeep probe' do, with the embedded engine on this machine: no Docker, no Pulumi CLI,\n" +
    "no internet, no root. 'mailkeep stop' ends the server.",
  options: { ...stackOption, diff: { summary: "show every change property by property" } },
  async run({ options }) {
    const { displayFor, EXIT, interruptible } = await import("../stack-command.ts");
    const { runUp } = await import("../stack-operations.ts");
    const name = stackNamed(options);
    const result = await interruptible((signal) =>
      runUp({ stack: name, signal, display: displayFor("up", options) }),
    );
    if (!result.succeeded) return EXIT.failed;
    const stack = await deployedStack(name);
    try {
      process.stdout.write("\nThe proof: one message through the whole way\n");
      const report = await prove(stack, {
        timeoutMs: PROBE_TIMEOUT_MS,
        onStep: (step) => process.stdout.write(`${stepLine(step)}\n`),
      });
      if (!report.ok) {
        process.stdout.write("\nMail does not flow; 'npx mailkeep logs' shows what the server says.\n");
        return EXIT.failed;
      }
      process.stdout.write(`\nMail flows: ${report.from} → ${report.to} in ${report.ms} ms\n\n`);
      process.stdout.write(welcome(stack, await knownPasswords(stack)));
      return EXIT.done;
    } finally {
      await stack.host.close();
    }
  },
};
