/**
 * Passwords for the local host, made up where none is declared: a person who tries mailkeep on this machine shall have to
 * choose nothing, and no tracked file changes. They are written once beside the data, for its owner alone, and read again in
 * every later run, by whatever engine.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

const fileSchema = z.object({ passwords: z.record(z.string(), z.string().min(1)) });

/** Where the passwords of a data directory lie. */
export const secretsFile = (directory: string) => join(directory, "secrets.json");

/**
 * A password for each address: the one of the file, or a new one, which the file holds before this returns.
 * In a preview nothing is written, and a new password is forgotten.
 *
 * @throws Error naming the file when it cannot be read or is none of ours
 */
export function localPasswords(
  directory: string,
  addresses: readonly string[],
  mode: "keep" | "preview",
): Record<string, string> {
  const file = secretsFile(directory);
  const known = readPasswords(file);
  const missing = addresses.filter((address) => known[address] === undefined);
  const made = Object.fromEntries(missing.map((address) => [address, newPassword()]));
  if (missing.length > 0 && mode === "keep") writePasswords(file, { ...known, ...made });
  return Object.fromEntries(
    addresses.map((address) => [address, known[address] ?? made[address] ?? newPassword()]),
  );
}

/** 96 bits that can be read aloud and typed: `kqzm-tp4v-...`, without characters that look alike. */
function newPassword(): string {
  const alphabet = "abcdefghjkmnpqrstuvwxyz23456789";
  const limit = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < 20)
    for (const byte of randomBytes(32))
      if (byte < limit && text.length < 20) text += alphabet[byte % alphabet.length];
  return text.replace(/(.{5})(?=.)/g, "$1-");
}

function readPasswords(file: string): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
  try {
    return fileSchema.parse(JSON.parse(text)).passwords;
  } catch {
    throw new Error(
      `${file} is damaged, and it holds the passwords made up for the local mailboxes. Restore it, or move it away: ` +
        "new passwords are made up then, and mailboxes whose password was not changed since take them.",
    );
  }
}

function writePasswords(file: string, passwords: Record<string, string>): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  const descriptor = openSync(temporary, "wx", 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify({ passwords }, undefined, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
