/**
 * Access control lists in Dovecot's `dovecot-acl`, beside a folder's mail, so that Dovecot can take it back:
 *
 *     owner lrwstipekxa
 *     user=ben@example.org lrs
 *     -user=carl@example.org r
 *     anyone l
 *
 * An identifier with a space stands in quotes, "-" in front makes it a negative one, and rights may be named
 * behind a colon (`lr :insert post`). Towards clients `user=` is left out and groups are `$name`, as
 * Dovecot's IMAP has it. A line that means nothing here is kept as it is.
 */
import { existsSync } from "node:fs";
import { readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { Acl, AclChange } from "../mail-store.ts";
import { errorCode, storeError, syncDirectory, writeFileDurably } from "./durable.ts";

export const ACL_FILE = "dovecot-acl";

/** Dovecot's names of rights, and the order in which it writes their letters. */
const NAMES: Readonly<Record<string, string>> = {
  lookup: "l",
  read: "r",
  write: "w",
  "write-seen": "s",
  "write-deleted": "t",
  insert: "i",
  post: "p",
  expunge: "e",
  create: "k",
  delete: "x",
  admin: "a",
};
const LETTERS = Object.values(NAMES);

/** Kinds of identifiers in the file, and what they begin with towards clients. */
const KINDS: readonly (readonly [file: string, client: string])[] = [
  ["user=", ""],
  ["group=", "$"],
  ["group-override=", "!$"],
];
const PLAIN = ["owner", "anyone", "authenticated"];

interface AclFile {
  readonly acl: Acl;
  /** Lines that are no entries. */
  readonly others: readonly string[];
}

export const aclPath = (directory: string): string => `${directory}/${ACL_FILE}`;

/** The list of a folder; empty where there is no file. Throws StoreError "unavailable". */
export async function readAcl(directory: string): Promise<Acl> {
  return (await readAclFile(aclPath(directory))).acl;
}

const NO_LIST: AclFile = { acl: new Map(), others: [] };

async function readAclFile(path: string): Promise<AclFile> {
  // Most folders have none: a look that costs microseconds, where a failed read costs a turn of the thread pool.
  if (!existsSync(path)) return NO_LIST;
  try {
    return parseAcl(await readFile(path, "utf8"));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return NO_LIST;
    throw storeError(error, `Reading ${path}`);
  }
}

export function parseAcl(text: string): AclFile {
  const acl = new Map<string, string>();
  const others: string[] = [];
  for (const line of text.split("\n")) {
    const entry = parseLine(line);
    if (entry) acl.set(entry.identifier, entry.rights);
    else if (line.trim() !== "") others.push(line);
  }
  return { acl, others };
}

const LINE = /^(?:"((?:[^"\\]|\\.)*)"|([^\s"#]\S*))(?:[ \t]+([a-z]*))?(?:[ \t]*:([a-z \t,-]*))?\s*$/;

function parseLine(line: string): { readonly identifier: string; readonly rights: string } | undefined {
  const parts = LINE.exec(line);
  if (!parts) return undefined;
  const [, quoted, bare, letters = "", names = ""] = parts;
  const identifier = clientIdentifier(quoted?.replace(/\\(.)/g, "$1") ?? bare!);
  if (identifier === undefined) return undefined;
  const named = names.split(/[\s,]+/).flatMap((name) => NAMES[name] ?? []);
  return {
    identifier,
    rights: LETTERS.filter((one) => letters.includes(one) || named.includes(one)).join(""),
  };
}

function clientIdentifier(text: string): string | undefined {
  if (text.startsWith("-")) {
    const positive = clientIdentifier(text.slice(1));
    return positive === undefined ? undefined : `-${positive}`;
  }
  if (PLAIN.includes(text)) return text;
  const kind = KINDS.find(([file]) => text.startsWith(file));
  return kind && text.length > kind[0].length ? kind[1] + text.slice(kind[0].length) : undefined;
}

function fileIdentifier(identifier: string): string {
  if (identifier.startsWith("-")) return `-${fileIdentifier(identifier.slice(1))}`;
  if (PLAIN.includes(identifier)) return identifier;
  const [file, client] = KINDS.find(([, sign]) => sign !== "" && identifier.startsWith(sign)) ?? KINDS[0]!;
  return file + identifier.slice(client.length);
}

export function formatAcl({ acl, others }: AclFile): string {
  const lines = [...acl].map(([identifier, rights]) => {
    const name = fileIdentifier(identifier);
    const written = /[\s"\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name;
    return `${written} ${LETTERS.filter((letter) => rights.includes(letter)).join("")}`;
  });
  return [...others, ...lines].map((line) => `${line}\n`).join("");
}

/** Changes one entry durably; a list without entries has no file. Resolves with the list as it is then. */
export async function changeAcl(directory: string, change: AclChange): Promise<Acl> {
  const path = aclPath(directory);
  const { acl, others } = await readAclFile(path);
  const next = new Map(acl);
  const before = acl.get(change.identifier) ?? "";
  const rights = {
    replace: () => change.rights,
    add: () => before + change.rights,
    remove: () => [...before].filter((right) => !change.rights.includes(right)).join(""),
  }[change.mode]();
  if (rights === "") next.delete(change.identifier);
  else next.set(change.identifier, LETTERS.filter((letter) => rights.includes(letter)).join(""));
  if (next.size > 0 || others.length > 0) await writeFileDurably(path, formatAcl({ acl: next, others }));
  else await removeAcl(path);
  return next;
}

async function removeAcl(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw storeError(error, `Removing ${path}`);
  }
  await syncDirectory(dirname(path));
}

/** A new folder has its parent's list, as Dovecot gives it. */
export async function inheritAcl(parent: string, directory: string): Promise<void> {
  const file = await readAclFile(aclPath(parent));
  if (file.acl.size > 0 || file.others.length > 0)
    await writeFileDurably(aclPath(directory), formatAcl(file));
}
