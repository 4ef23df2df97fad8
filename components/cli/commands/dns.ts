/** `mailkeep dns`: the records of the stack, whether the world is told them, and which policies may become stricter. */
import { setTimeout as wait } from "node:timers/promises";
import { adviceLines, policyAdvice, publishedPolicies } from "../../dns/policy-advice.ts";
import { type Command, type OptionValues, UsageError } from "../command.ts";
import { type DeployedStack, deployedStack } from "../local/deployed-stack.ts";
import { jsonOption, stackNamed, stackOption } from "../stack-options.ts";

/** Between two looks. */
const PAUSE_MS = 5_000;
/** For one look: every name server may take its time. */
const LOOK_MS = 90_000;

type Part = (stack: DeployedStack, options: OptionValues) => Promise<number>;

const parts: Readonly<Record<string, Part>> = { print, check, advise };

export const dns: Command = {
  name: "dns",
  summary: "the stack's records: print them, check that the world is told them, propose stricter policies",
  usage: "<print | check | advise>",
  details:
    "print   what has to be entered by hand, with the reason of each record; all records where every zone has a publisher\n" +
    "check   asks every authoritative name server for every record, the resolver for the names of the host's addresses\n" +
    "        (PTR) and for DNSSEC, and counts the look-ups of each SPF policy; --wait asks again until all is right\n" +
    "advise  DMARC none → quarantine → reject and MTA-STS testing → enforce, by the reports that came in\n" +
    "check gives exit code 0 when all is right, else 2.",
  words: [1, 1],
  options: {
    ...stackOption,
    ...jsonOption,
    wait: { summary: "seconds to ask again until all is right", value: "seconds" },
    "name-server": {
      summary: "ask this one in the place of those the zones name: address or address:port",
      value: "address",
    },
    days: {
      summary: "with advise: reports about so many days back; 30 when it is not said",
      value: "number",
    },
  },
  async run({ options, words: [word = ""] }) {
    const part = parts[word];
    if (part === undefined) throw new UsageError(`'${word}' is not one of ${Object.keys(parts).join(", ")}`);
    const stack = await deployedStack(stackNamed(options));
    try {
      return await part(stack, options);
    } finally {
      await stack.host.close();
    }
  },
};

async function print(
  { dns: { toEnter, records, reverse } }: DeployedStack,
  options: OptionValues,
): Promise<number> {
  const text = toEnter ?? [...records, ...reverse].join("\n");
  process.stdout.write(options.json ? `${JSON.stringify({ records, reverse })}\n` : `${text}\n`);
  return 0;
}

async function check(
  { host, hostname, dns: { records } }: DeployedStack,
  options: OptionValues,
): Promise<number> {
  const end = Date.now() + number(options, "wait", 0) * 1000;
  const server = options["name-server"];
  const request = {
    recordSets: setsOf(records),
    hostname,
    addresses: addressesOf(records, hostname),
    nameServers: typeof server === "string" ? [server] : [],
  };
  for (let told = ""; ; ) {
    const { lines, ...answer } = await host.perform("dns.check", request, { deadline: Date.now() + LOOK_MS });
    const over = answer.ok || Date.now() + PAUSE_MS > end;
    if (over && options.json) process.stdout.write(`${JSON.stringify(answer)}\n`);
    else if (over) process.stdout.write(`${lines.join("\n")}\n`);
    if (over) return answer.ok ? 0 : 2;
    const first = `${lines[0]} Waiting.`;
    if (!options.json && first !== told) process.stdout.write(`${first}\n`);
    told = first;
    await wait(PAUSE_MS);
  }
}

async function advise({ host, dns: { records } }: DeployedStack, options: OptionValues): Promise<number> {
  const limit = { deadline: Date.now() + LOOK_MS };
  const reports = await host.perform("reports", { days: Math.max(1, number(options, "days", 30)) }, limit);
  const { settings } = await host.perform("settings.read", {}, limit);
  const modes = Object.entries(settings?.web.mtaSts ?? {}).flatMap(([domain, text]) => {
    const mode = /^mode: *(none|testing|enforce)/m.exec(String(text))?.[1];
    return mode === undefined ? [] : [[domain, mode as "none" | "testing" | "enforce"] as const];
  });
  const advice = policyAdvice(reports, publishedPolicies(records, Object.fromEntries(modes)));
  process.stdout.write(options.json ? `${JSON.stringify(advice)}\n` : `${adviceLines(advice).join("\n")}\n`);
  return 0;
}

function number(options: OptionValues, name: string, otherwise: number): number {
  const value = Number(options[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 0) throw new UsageError(`--${name} takes a whole number`);
  return value;
}

/** Lines of a master file as record sets: "example.org. 3600 IN MX 10 mail.example.org." */
function setsOf(lines: readonly string[]): Record<string, string[]> {
  const sets: Record<string, string[]> = {};
  for (const line of lines) {
    const [name = "", ttl, , type, ...data] = line.split(" ");
    const set = `${name === "." ? name : name.replace(/\.$/, "")} ${type}`;
    sets[set] ??= [];
    sets[set].push(`${ttl} ${data.join(" ")}`);
  }
  return sets;
}

function addressesOf(lines: readonly string[], hostname: string): string[] {
  return lines.flatMap((line) => {
    const [name, , , type = "", address = ""] = line.split(" ");
    return name === `${hostname}.` && ["A", "AAAA"].includes(type) ? [address] : [];
  });
}
