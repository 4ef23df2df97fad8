/** The probe of a deployed stack: who writes to whom, over which listeners, and how its steps are shown. */
import type { ProbeReport, ProbeStep } from "../../probe/probe.ts";
import { UsageError } from "../command.ts";
import { type DeployedStack, knownPasswords } from "./deployed-stack.ts";

export interface ProofOptions {
  readonly from?: string;
  readonly to?: string;
  readonly timeoutMs: number;
  readonly onStep?: (step: ProbeStep) => void;
}

/** Runs the probe from a mailbox of one domain to a mailbox of another, or of the same where there is one only. */
export async function prove(
  stack: DeployedStack,
  options: ProofOptions,
): Promise<ProbeReport & { from: string; to: string }> {
  const passwords = await knownPasswords(stack);
  const usable = stack.logins.filter((address) => passwords[address] !== undefined);
  const from = options.from ?? usable[0];
  const to =
    options.to ?? usable.find((address) => domainOf(address) !== domainOf(from ?? "")) ?? usable[1] ?? from;
  if (from === undefined || to === undefined)
    throw new UsageError("the probe needs a mailbox whose password is known here; the stack declares none");
  for (const address of [from, to])
    if (passwords[address] === undefined)
      throw new UsageError(
        `the password of ${address} is not known here: set it with 'mailkeep config set --secret --path mailkeep:passwords["${address}"]'`,
      );
  const { runProbe } = await import("../../probe/probe.ts");
  const settings = await stack.host.perform(
    "settings.read",
    {},
    { deadline: Date.now() + options.timeoutMs },
  );
  const report = await runProbe({
    from: { address: from, password: passwords[from]! },
    to: { address: to, password: passwords[to]! },
    submission: endpoint(stack, "submissions"),
    imap: endpoint(stack, "imaps"),
    ca: stack.caCertificatePem,
    throughMx: domainOf(from) !== domainOf(to) && settings.settings?.submission.hostedDomains === "mx",
    timeoutMs: options.timeoutMs,
    trace: async (messageId) =>
      (await stack.host.perform("trace", { about: messageId }, { deadline: Date.now() + options.timeoutMs }))
        .events,
    onStep: options.onStep,
  });
  return { ...report, from, to };
}

/** `  ✓ submission      41 ms  anna@green.test signed in ...` */
export function stepLine(step: ProbeStep): string {
  const time = step.ms === undefined ? "" : `${step.ms < 10 ? step.ms.toFixed(1) : Math.round(step.ms)} ms`;
  return `  ${step.ok ? "✓" : "✗"} ${step.name.padEnd(12)} ${time.padStart(8)}  ${step.detail}`;
}

function endpoint(stack: DeployedStack, service: string) {
  const found = stack.endpoints.find((one) => one.service === service);
  if (!found) throw new UsageError(`stack '${stack.name}' has no ${service} listener, which the probe needs`);
  return { host: found.address, port: found.port, servername: stack.hostname };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
