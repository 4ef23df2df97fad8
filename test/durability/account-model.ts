/**
 * What one IMAP client was told of an account: every mailbox with its UIDVALIDITY and UIDs, which message each UID
 * is, its flags and MODSEQ; and the one change it asked for and had no answer to when the server died. `reconcile`
 * compares that with what the server says after its restart.
 */
import type { Ledger } from "./ledger.ts";
import { recognise } from "./letters.ts";
import type { ImapClient } from "./wire.ts";

/** A change of which the client may not know the outcome. Flags are sorted and joined with spaces. */
export type Change =
  | { readonly kind: "append"; readonly folder: string; readonly key: string; readonly flags: string }
  | { readonly kind: "store"; readonly folder: string; readonly after: ReadonlyMap<number, string> }
  | { readonly kind: "expunge"; readonly folder: string; readonly uids: readonly number[] }
  | {
      readonly kind: "copy" | "move";
      readonly folder: string;
      readonly uids: readonly number[];
      readonly to: string;
    }
  | { readonly kind: "create" | "delete"; readonly folder: string }
  | { readonly kind: "rename"; readonly folder: string; readonly to: string };

export interface KnownMessage {
  /** Its letter's token, or `report:<token>`. */
  readonly key: string;
  flags: string;
  modSeq: number;
}
export class FolderModel {
  uidValidity = 0;
  /** As the server said it last. */
  uidNext = 1;
  /** Every message with a lower UID is known: none may come to be there any more. */
  knownBelow = 1;
  highestModSeq = 0;
  readonly messages = new Map<number, KnownMessage>();
  /** Every UID ever shown, with the message it was. */
  readonly given = new Map<number, string>();

  copy(): FolderModel {
    const copy = new FolderModel();
    copy.uidValidity = this.uidValidity;
    copy.uidNext = this.uidNext;
    copy.knownBelow = this.knownBelow;
    copy.highestModSeq = this.highestModSeq;
    for (const [uid, message] of this.messages) copy.messages.set(uid, { ...message });
    for (const [uid, key] of this.given) copy.given.set(uid, key);
    return copy;
  }
  learn(uid: number, message: KnownMessage): void {
    this.messages.set(uid, message);
    this.given.set(uid, message.key);
    this.uidNext = Math.max(this.uidNext, uid + 1);
    this.highestModSeq = Math.max(this.highestModSeq, message.modSeq);
  }
}

interface FoundMessage extends KnownMessage {
  readonly isWhole: boolean;
}
interface FoundFolder {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModSeq: number;
  readonly messages: ReadonlyMap<number, FoundMessage>;
}
export type Depth = "new messages" | "every byte";

export class AccountModel {
  readonly address: string;
  readonly folders = new Map<string, FolderModel>();
  /** UIDVALIDITY of mailboxes that were deleted: one of the same name has a higher one. */
  readonly deleted = new Map<string, number>();
  pending: Change | undefined;

  constructor(address: string) {
    this.address = address;
  }

  /** As it is now, for a test that goes back to this moment. */
  copy(): AccountModel {
    const copy = new AccountModel(this.address);
    for (const [name, folder] of this.folders) copy.folders.set(name, folder.copy());
    for (const [name, uidValidity] of this.deleted) copy.deleted.set(name, uidValidity);
    copy.pending = this.pending;
    return copy;
  }
  folder(name: string): FolderModel {
    const folder = this.folders.get(name) ?? new FolderModel();
    this.folders.set(name, folder);
    return folder;
  }
  /** The pairs that RENAME makes: a mailbox and all below it. */
  renamed(from: string, to: string): (readonly [string, string])[] {
    return [...this.folders.keys()].flatMap((name) =>
      name === from || name.startsWith(`${from}.`) ? [[name, to + name.slice(from.length)] as const] : [],
    );
  }
  applyRename(from: string, to: string): void {
    for (const [old, name] of this.renamed(from, to)) {
      this.folders.set(name, this.folders.get(old)!);
      this.folders.delete(old);
    }
  }
  applyDelete(name: string): void {
    this.deleted.set(name, Math.max(this.deleted.get(name) ?? 0, this.folders.get(name)?.uidValidity ?? 0));
    this.folders.delete(name);
  }

  /** Asks the server for everything. Learns what is new, and resolves with all that contradicts what was told. */
  async reconcile(client: ImapClient, ledger: Ledger, depth: Depth): Promise<string[]> {
    const problems: string[] = [];
    const say = (text: string) => problems.push(`${this.address}: ${text}`);
    const names = await listFolders(client);
    this.#settleFolders(names, say);
    const found = new Map<string, FoundFolder>();
    for (const name of names)
      found.set(
        name,
        await readFolder(client, name, depth === "every byte" ? new Map() : this.folder(name).given),
      );
    const { pending } = this;
    const keys = this.#keysOf(pending);
    for (const [name, folder] of found) this.#settleFolder(name, folder, keys, ledger, say);
    if (pending?.kind === "move" && this.folders.has(pending.to) && this.folders.has(pending.folder)) {
      const inSource = this.folder(pending.folder).messages;
      const inTarget = [...this.folder(pending.to).messages.values()].map(({ key }) => key);
      for (const uid of pending.uids)
        if (!inSource.has(uid) && !inTarget.includes(this.folder(pending.folder).given.get(uid)!))
          say(`LOST in an unanswered MOVE from ${pending.folder}: UID ${uid}`);
    }
    this.pending = undefined;
    return problems;
  }

  /** Copies that an unanswered change may have made, by the mailbox they would be in. */
  #keysOf(pending: Change | undefined): { readonly folder: string; readonly keys: string[] } {
    if (pending?.kind === "append") return { folder: pending.folder, keys: [pending.key] };
    if (pending?.kind === "copy" || pending?.kind === "move")
      return {
        folder: pending.to,
        keys: pending.uids.map((uid) => this.folder(pending.folder).given.get(uid)!),
      };
    return { folder: "", keys: [] };
  }

  #settleFolders(names: readonly string[], say: (text: string) => void): void {
    const { pending } = this;
    if (this.folders.size === 0) for (const name of names) this.folder(name);
    if (pending?.kind === "create" && names.includes(pending.folder)) this.folder(pending.folder);
    if (pending?.kind === "delete" && !names.includes(pending.folder)) this.applyDelete(pending.folder);
    if (pending?.kind === "rename") {
      const pairs = this.renamed(pending.folder, pending.to);
      const done = pairs.filter(([, to]) => names.includes(to));
      if (done.length === pairs.length) this.applyRename(pending.folder, pending.to);
      else if (done.length > 0) say(`RENAME of ${pending.folder} was done by half: ${done.join("; ")}`);
    }
    for (const name of this.folders.keys()) if (!names.includes(name)) say(`the mailbox ${name} is gone`);
    for (const name of names) if (!this.folders.has(name)) say(`there is a mailbox ${name} that nobody made`);
  }

  #settleFolder(
    name: string,
    found: FoundFolder,
    copies: { readonly folder: string; readonly keys: string[] },
    ledger: Ledger,
    say: (text: string) => void,
  ): void {
    const model = this.folder(name);
    const { pending } = this;
    const buried = this.deleted.get(name) ?? 0;
    if (model.uidValidity === 0) {
      if (found.uidValidity <= buried)
        say(`${name} was made again with UIDVALIDITY ${found.uidValidity} after ${buried}`);
      model.uidValidity = found.uidValidity;
    }
    if (found.uidValidity !== model.uidValidity)
      say(`${name}: UIDVALIDITY was ${model.uidValidity} and is ${found.uidValidity}`);
    if (found.uidNext < model.uidNext) say(`${name}: UIDNEXT was ${model.uidNext} and is ${found.uidNext}`);
    if (found.highestModSeq < model.highestModSeq)
      say(`${name}: HIGHESTMODSEQ was ${model.highestModSeq} and is ${found.highestModSeq}`);
    for (const [uid, known] of [...model.messages]) {
      const now = found.messages.get(uid);
      if (now === undefined) {
        const mayBeGone =
          (pending?.kind === "expunge" || pending?.kind === "move") &&
          pending.folder === name &&
          pending.uids.includes(uid);
        if (!mayBeGone) say(`LOST: UID ${uid} of ${name}, ${known.key}`);
        model.messages.delete(uid);
        continue;
      }
      const told = pending?.kind === "store" && pending.folder === name ? pending.after.get(uid) : undefined;
      if (now.flags !== known.flags && now.flags !== told)
        say(`${name} UID ${uid}: flags were (${known.flags}) and are (${now.flags})`);
      if (now.modSeq < known.modSeq)
        say(`${name} UID ${uid}: MODSEQ was ${known.modSeq} and is ${now.modSeq}`);
      if (now.flags !== known.flags && now.modSeq <= known.modSeq)
        say(`${name} UID ${uid}: other flags with the same MODSEQ ${now.modSeq}`);
      if (now.key !== "" && (now.key !== known.key || !now.isWhole))
        say(`${name} UID ${uid}: was ${known.key} and is ${now.key}${now.isWhole ? "" : ", not whole"}`);
      known.flags = now.flags;
      known.modSeq = now.modSeq;
    }
    for (const [uid, now] of found.messages) {
      if (model.messages.has(uid)) continue;
      const before = model.given.get(uid);
      if (before !== undefined && now.key === "") say(`${name}: UID ${uid}, expunged ${before}, is back`);
      else if (before !== undefined) say(`${name}: UID ${uid} was ${before} and is given to ${now.key}`);
      else if (uid < model.knownBelow)
        say(`${name}: UID ${uid} of ${now.key} came below ${model.knownBelow}`);
      if (!now.isWhole) say(`${name}: ${now.key || "a message"} (UID ${uid}) is not whole`);
      const at = copies.folder === name ? copies.keys.indexOf(now.key) : -1;
      if (at >= 0) copies.keys.splice(at, 1);
      else if (name === "INBOX") ledger.arrived(this.address, now.key);
      else say(`${name}: nobody put ${now.key} (UID ${uid}) there`);
      model.learn(uid, { key: now.key, flags: now.flags, modSeq: now.modSeq });
    }
    model.uidNext = Math.max(model.uidNext, found.uidNext);
    model.knownBelow = model.uidNext;
    model.highestModSeq = Math.max(model.highestModSeq, found.highestModSeq);
  }
}

async function listFolders(client: ImapClient): Promise<string[]> {
  const { untagged } = await client.ask('LIST "" "*"');
  return untagged.flatMap((line) => {
    const [, attributes, name] = /^LIST \(([^)]*)\) \S+ (.*)$/.exec(line) ?? [];
    return name === undefined || /\\Noselect|\\NonExistent/i.test(attributes!)
      ? []
      : [name.replaceAll('"', "")];
  });
}

/** Opens a mailbox and reads it; messages in `known` without their bytes. */
async function readFolder(
  client: ImapClient,
  name: string,
  known: ReadonlyMap<number, string>,
): Promise<FoundFolder> {
  const opened = await select(client, name);
  const messages = new Map<number, FoundMessage>();
  for (const line of (await client.ask("UID FETCH 1:* (UID FLAGS MODSEQ)")).untagged) {
    const seen = fetched(line);
    if (seen !== undefined)
      messages.set(seen.uid, { key: "", flags: seen.flags, modSeq: seen.modSeq, isWhole: true });
  }
  const unread = [...messages.keys()].filter((uid) => !known.has(uid));
  for (let at = 0; at < unread.length; at += 100) {
    const set = unread.slice(at, at + 100).join(",");
    for (const line of (await client.ask(`UID FETCH ${set} (UID BODY.PEEK[])`)).untagged) {
      const uid = Number(/\bUID (\d+)/.exec(line)?.[1] ?? 0);
      const before = messages.get(uid);
      if (before !== undefined) messages.set(uid, { ...before, ...identify(line) });
    }
  }
  return { ...opened, messages };
}

export async function select(client: ImapClient, name: string) {
  const answer = await client.ask(`SELECT "${name}"`);
  if (!answer.tagged.startsWith("OK")) throw new Error(`SELECT ${name}: ${answer.tagged}`);
  const number = (code: string) =>
    Number(new RegExp(`\\[${code} (\\d+)\\]`).exec(answer.untagged.join("\n"))?.[1] ?? 0);
  return {
    uidValidity: number("UIDVALIDITY"),
    uidNext: number("UIDNEXT"),
    highestModSeq: number("HIGHESTMODSEQ"),
  };
}

/** UID, flags (without \Recent) and MODSEQ of an untagged FETCH; undefined for anything else. */
export function fetched(line: string): { uid: number; flags: string; modSeq: number } | undefined {
  if (!/^\d+ FETCH /.test(line)) return undefined;
  const uid = /\bUID (\d+)/.exec(line)?.[1];
  const flags = /\bFLAGS \(([^)]*)\)/.exec(line)?.[1];
  const modSeq = /\bMODSEQ \((\d+)\)/.exec(line)?.[1];
  if (uid === undefined || flags === undefined || modSeq === undefined) return undefined;
  return { uid: Number(uid), flags: sortedFlags(flags.split(" ")), modSeq: Number(modSeq) };
}
export function sortedFlags(flags: readonly string[]): string {
  return [...new Set(flags)]
    .filter((flag) => flag !== "" && flag !== "\\Recent")
    .sort()
    .join(" ");
}

/** Which message a FETCH response with BODY[] is. */
export function identify(line: string): { key: string; isWhole: boolean } {
  const size = /BODY\[\] \{(\d+)\}\r\n/.exec(line);
  if (size === null) return { key: "a message without bytes", isWhole: false };
  const start = size.index + size[0].length;
  const found = recognise(line.slice(start, start + Number(size[1])));
  if (found.kind === "letter") return { key: found.token, isWhole: found.whole };
  return found.kind === "report"
    ? { key: `report:${found.token}`, isWhole: true }
    : { key: "a message of nobody", isWhole: false };
}
