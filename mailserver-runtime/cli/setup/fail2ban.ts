/** `setup fail2ban`: who is banned, with the words of docker-mailserver and of fail2ban-client. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { OperationAnswer } from "../../admin/contract.ts";
import { networkSchema } from "../../settings/schema.ts";
import { CommandError } from "../command.ts";
import type { SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

type Answer = OperationAnswer<"ban.list">;

const fail2ban: SetupCommand = {
  name: "fail2ban",
  usage: "[<ban|unban> <IP>] | log | status",
  summary: "lists who is banned, bans, ends bans, and shows the log and the counts of each jail",
  async run(session, [action, ...networks]) {
    const state = await running(session);
    if (action === undefined) return list(session, state);
    const perform = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (perform === undefined) throw usageError(this, `Unknown command '${action}'`);
    await perform(session, networks, state);
  },
};

const actions: Readonly<
  Record<string, (session: SetupSession, networks: readonly string[], state: Answer) => Promise<void> | void>
> = {
  async ban(session, networks) {
    // Without an address DMS warns and ends well.
    if (networks.length === 0)
      return session.warn("You need to specify an IP address: Run './setup.sh fail2ban ban <IP>'");
    checkNetworks(networks);
    let added = 0;
    for (const network of networks) if ((await session.perform("ban.add", { network })).added) added++;
    if (added > 0) session.out(`Banned custom IP: ${added}`);
    else session.error(`Banning '${networks.join(" ")}' failed. Already banned?`);
  },
  async unban(session, networks) {
    if (networks.length === 0)
      return session.warn(
        "You need to specify an IP address: Run './setup.sh fail2ban' to get a list of banned IP addresses",
      );
    checkNetworks(networks);
    const removed = new Map<string, number>();
    for (const network of networks)
      for (const { jail } of (await session.perform("ban.remove", { network })).removed)
        removed.set(jail, (removed.get(jail) ?? 0) + 1);
    for (const [jail, count] of removed) session.out(`Unbanned IP from ${jail}: ${count}`);
  },
  log: (session) => showLog(session),
  status(session, _networks, { jails, bans, withheld, enforcement }) {
    for (const { name, counted, offences, banned, bansSet } of jails)
      session.out(
        [
          `Status for the jail: ${name}`,
          "|- Filter",
          `|  |- Currently failed:\t${counted}`,
          `|  \`- Total failed:\t${offences}`,
          "`- Actions",
          `   |- Currently banned:\t${banned}`,
          `   |- Total banned:\t${bansSet}`,
          `   \`- Banned IP list:\t${networksOf(bans, name)}`,
          "",
        ].join("\n"),
      );
    if (enforcement.by === "accept") session.warn(`Bans are enforced at accept only: ${enforcement.because}`);
    for (const { network, reason } of withheld) session.warn(`${network} was not banned: ${reason}`);
  },
};

/** @throws {CommandError} where fail2ban would not answer: no server, or banning switched off */
async function running(session: SetupSession): Promise<Answer> {
  const state = await session.perform("ban.list", {}).catch((error: Error) => {
    throw new CommandError(`Fail2ban not running: ${error.message}`);
  });
  if (!state.enabled)
    throw new CommandError(
      "Fail2ban not running: banning is switched off (setting ban.enabled, variable ENABLE_FAIL2BAN)",
    );
  return state;
}

function list(session: SetupSession, { jails, bans }: Answer): void {
  const full = jails.filter(({ name }) => networksOf(bans, name) !== "");
  if (full.length === 0) session.info("No IPs have been banned");
  for (const { name } of full) session.out(`Banned in ${name}: ${networksOf(bans, name)}`);
}

function networksOf(bans: Answer["bans"], jail: string): string {
  return bans
    .filter((ban) => ban.jail === jail)
    .map(({ network }) => network)
    .join(" ");
}

function checkNetworks(networks: readonly string[]): void {
  for (const network of networks)
    if (!networkSchema.safeParse(network).success)
      throw new CommandError(`'${network}' is no IP address and no network like 192.0.2.0/24`);
}

/** Words of fail2ban's log for what ours calls it. */
const logWords: Readonly<Record<string, { level: string; word: string }>> = {
  ban: { level: "NOTICE", word: "Ban" },
  unban: { level: "NOTICE", word: "Unban" },
  "ban-withheld": { level: "WARNING", word: "Ignore" },
};

/** The lines of mail.log that speak of bans, as fail2ban.log has them. */
async function showLog({ directories, out }: SetupSession): Promise<void> {
  const file = join(directories.log, "mail.log");
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const text = line.includes('"event":"') ? logLine(line) : undefined;
      if (text !== undefined) out(text);
    }
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function logLine(line: string): string | undefined {
  let entry: Readonly<Record<string, unknown>>;
  try {
    entry = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
  const words = Object.hasOwn(logWords, String(entry.event)) ? logWords[String(entry.event)] : undefined;
  if (words === undefined) return undefined;
  const at = new Date(entry.time as string | number);
  const when = Number.isNaN(at.getTime())
    ? "-"
    : at
        .toISOString()
        .replace("T", " ")
        .replace(/\.(\d+)Z$/, ",$1");
  const jail = typeof entry.jail === "string" ? `[${entry.jail}] ` : "";
  const reason = typeof entry.reason === "string" ? ` (${entry.reason})` : "";
  return `${when} ${words.level.padEnd(7)} ${jail}${words.word} ${String(entry.network)}${reason}`;
}

export const fail2banCommands: readonly SetupCommand[] = [fail2ban];
