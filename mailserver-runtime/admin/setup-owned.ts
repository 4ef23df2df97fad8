/**
 * Where the stack meets the DMS files. An address has one owner: when the stack declares one that stands in
 * a DMS file, it takes it over, and the line there becomes a comment that says so. A comment and not a
 * deletion: whoever goes back to docker-mailserver finds everything in place.
 */
import { join } from "node:path";
import { ACCOUNTS_FILE, parseAccounts } from "../config/dms/accounts.ts";
import { changeLines, editFile } from "../config/dms/edit.ts";
import type { Parsed } from "../config/dms/lines.ts";
import { parseQuotas, QUOTAS_FILE } from "../config/dms/quotas.ts";
import { parseVirtual, VIRTUAL_FILE } from "../config/dms/virtual.ts";
import { readIfPresent } from "../config/durable-file.ts";
import { readStackObject } from "../config/stack/files.ts";

/** An account as it is declared now, by either side. */
export interface DeclaredAccount {
  /** A URN, or the DMS file. */
  readonly owner: string;
  readonly passwordHash: string | undefined;
}

/** The account of exactly this canonical address; a removed one is not declared. */
export async function declaredAccount(config: string, address: string): Promise<DeclaredAccount | undefined> {
  const stack = await readStackObject(config, "mailboxes", address);
  if (stack?.enabled) return { owner: stack.owner, passwordHash: stack.passwordHash };
  return setupAccount(config, address);
}

/** The account's entry in postfix-accounts.cf and dovecot-quotas.cf. */
export async function setupAccount(
  config: string,
  address: string,
): Promise<(DeclaredAccount & { readonly quotaBytes: number | undefined }) | undefined> {
  const accounts = await parsed(config, ACCOUNTS_FILE, parseAccounts);
  const entry = accounts.entries.find((account) => account.address === address);
  if (entry === undefined) return undefined;
  const quotas = await parsed(config, QUOTAS_FILE, parseQuotas);
  return {
    owner: `setup:${ACCOUNTS_FILE}`,
    passwordHash: entry.passwordHash,
    quotaBytes: quotas.entries.find((quota) => quota.address === address)?.bytes,
  };
}

/** Turns the account's lines into comments; whether there was one. */
export async function releaseAccountLines(config: string, address: string, owner: string): Promise<boolean> {
  const account = await release(config, ACCOUNTS_FILE, parseAccounts, address, owner);
  await release(config, QUOTAS_FILE, parseQuotas, address, owner);
  return account;
}

/** Turns the alias's line into a comment; whether there was one. */
export async function releaseAliasLine(config: string, address: string, owner: string): Promise<boolean> {
  return release(config, VIRTUAL_FILE, parseVirtual, address, owner);
}

async function release(
  config: string,
  file: string,
  parse: (text: string) => Parsed<{ readonly line: number; readonly address: string }>,
  address: string,
  owner: string,
): Promise<boolean> {
  return editFile(config, file, (lines) => {
    const mine = parse(lines.join("\n")).entries.filter((entry) => entry.address === address);
    const taken = new Map(
      mine.map(({ line }) => [line, `# taken over by ${owner}: ${lines[line - 1]}`] as const),
    );
    return changeLines(taken)(lines);
  });
}

async function parsed<E>(
  config: string,
  file: string,
  parse: (text: string) => Parsed<E>,
): Promise<Parsed<E>> {
  return parse((await readIfPresent(join(config, file))) ?? "");
}
