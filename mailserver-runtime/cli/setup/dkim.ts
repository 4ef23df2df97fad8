/** `setup config dkim`: signing keys in OpenDKIM's layout, or in rspamd's where ENABLE_RSPAMD=1. */
import { hostname } from "node:os";
import { mailDomain } from "../../config/address.ts";
import { ACCOUNTS_FILE, parseAccounts } from "../../config/dms/accounts.ts";
import { parseVirtual, VIRTUAL_FILE } from "../../config/dms/virtual.ts";
import { readStackObject } from "../../config/stack/files.ts";
import { CommandError } from "../command.ts";
import { makeOpenDkimKeys } from "./dkim-opendkim.ts";
import { makeRspamdKey } from "./dkim-rspamd.ts";
import type { SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

export interface DkimArguments {
  readonly keysize: number;
  readonly keytype: "rsa" | "ed25519";
  readonly selector: string;
  /** As given; undefined: the default of the mode. */
  readonly domain: string | undefined;
  readonly force: boolean;
}

const options = ["keysize", "keytype", "selector", "domain"] as const;

const dkim: SetupCommand = {
  name: "config dkim",
  usage:
    "[-f|--force] [-v|-vv] [keytype <rsa|ed25519>] [keysize <1024|2048|4096>] [selector <NAME>] [domain <DOMAIN>[,<DOMAIN>]]",
  summary: "makes DKIM keys",
  async run(session, args) {
    const rspamd = session.env.ENABLE_RSPAMD === "1";
    const given = parse(this, args, rspamd);
    if (rspamd) {
      const domain = mailDomain(given.domain ?? defaultDomain(session));
      await refuseStackDomain(session, domain);
      await session.locked(() => makeRspamdKey(session, domain, given));
      return;
    }
    const named = given.domain?.split(",").map((domain) => mailDomain(domain.trim()));
    for (const domain of named ?? []) await refuseStackDomain(session, domain);
    const domains = named ?? (await setupDomains(session));
    if (domains.length === 0) {
      session.warn("No entries found, no keys to make");
      return;
    }
    await session.locked(() => makeOpenDkimKeys(session, domains, given));
  },
};

export const configCommands: readonly SetupCommand[] = [dkim];

function parse(command: SetupCommand, args: readonly string[], rspamd: boolean): DkimArguments {
  const values = new Map<string, string>();
  let force = false;
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (rspamd && /^(?:-f|--force)$/.test(word)) force = true;
    else if (rspamd && /^-vv?$/.test(word)) continue;
    else if (!options.includes(word as (typeof options)[number]) || (word === "keytype" && !rspamd))
      throw usageError(command, `Unknown options '${word}'`);
    else {
      const value = args[++at];
      if (value === undefined || value === "")
        throw usageError(command, `No ${word} provided after '${word}' argument`);
      values.set(word, value);
    }
  }
  const keytype = values.get("keytype") ?? "rsa";
  if (keytype !== "rsa" && keytype !== "ed25519") throw usageError(command, `Unknown keytype '${keytype}'`);
  const keysize = values.get("keysize") ?? "2048";
  if (keytype === "ed25519" && values.has("keysize"))
    throw usageError(command, "Chosen keytype does not accept the 'keysize' argument");
  if (!["1024", "2048", "4096"].includes(keysize))
    throw usageError(command, `'${keysize}' is not a keysize: 1024, 2048 or 4096`);
  const selector = (values.get("selector") ?? "mail").toLowerCase();
  // It becomes a file's name and a DNS label.
  if (!/^[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?$/.test(selector) || selector.includes(".."))
    throw usageError(command, `'${selector}' is not a selector: letters, digits, hyphens and dots`);
  return { keysize: Number(keysize), keytype, selector, domain: values.get("domain"), force };
}

/** Domains of accounts and aliases in the DMS files; what the stack declares, it signs itself. */
async function setupDomains(session: SetupSession): Promise<string[]> {
  const accounts = await session.read(ACCOUNTS_FILE, parseAccounts);
  const aliases = await session.read(VIRTUAL_FILE, parseVirtual);
  const domains = new Set([
    ...accounts.map(({ domain }) => domain),
    ...aliases
      .filter(({ address }) => address.includes("@"))
      .map(({ address }) => address.slice(address.lastIndexOf("@") + 1)),
  ]);
  for (const domain of domains) if (await stackOwner(session, domain)) domains.delete(domain);
  return [...domains];
}

async function refuseStackDomain(session: SetupSession, domain: string): Promise<void> {
  const owner = await stackOwner(session, domain);
  if (owner !== undefined)
    throw new CommandError(
      `'${domain}' is declared by the stack (${owner}), which makes its DKIM keys; change them in the stack's configuration`,
    );
}

async function stackOwner({ directories }: SetupSession, domain: string): Promise<string | undefined> {
  return (await readStackObject(directories.config, "domains", domain))?.owner;
}

/** DMS's DOMAINNAME: the host's name without its first label; a bare domain is its own. */
function defaultDomain({ env }: SetupSession): string {
  const name = env.OVERRIDE_HOSTNAME || hostname();
  return name.split(".").length > 2 ? name.slice(name.indexOf(".") + 1) : name;
}
