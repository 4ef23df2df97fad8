/**
 * An IMAP client at work on one account until the connection ends: it appends, flags, copies, moves and expunges, makes,
 * renames and deletes mailboxes, looks at what has come, and keeps in the model what it was told. It asks one thing at
 * a time, so at most one change is unanswered when the server dies.
 */
import { type AccountModel, type Change, fetched, identify, select, sortedFlags } from "./account-model.ts";
import { type Ledger, now } from "./ledger.ts";
import { letterText } from "./letters.ts";
import type { Random } from "./random.ts";
import type { ImapAnswer, ImapClient } from "./wire.ts";

/** Mailboxes for messages, and those that come and go. */
const STEADY = ["INBOX", "Trash", "Sent"] as const;
const PASSING = ["W1", "W2", "W3"] as const;
const FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "$Work", "later"] as const;

export interface ImapLoad {
  readonly client: ImapClient;
  readonly model: AccountModel;
  readonly ledger: Ledger;
  readonly random: Random;
  /** A token that was never used. */
  readonly newToken: () => string;
}

/** Works until `isOver`, or until the connection is lost. Rejects with what a client must not be told. */
export async function workOnAccount(load: ImapLoad, isOver: () => boolean): Promise<void> {
  const worker = new Worker(load);
  await worker.open("INBOX");
  while (!isOver()) {
    await worker.step();
    await new Promise((resolve) => setTimeout(resolve, load.random.below(8)));
  }
}

class Worker {
  readonly #load: ImapLoad;
  #selected = "";

  constructor(load: ImapLoad) {
    this.#load = load;
  }

  async step(): Promise<void> {
    const { random } = this.#load;
    const [, work] = random.of(STEPS.flatMap(([weight, run]) => Array(weight).fill([weight, run] as const)));
    await work(this);
  }

  async open(name: string): Promise<void> {
    if (this.#selected === name) return;
    const { client, model } = this.#load;
    const folder = model.folder(name);
    const opened = await select(client, name);
    this.#selected = name;
    if (folder.uidValidity === 0) folder.uidValidity = opened.uidValidity;
    folder.uidNext = Math.max(folder.uidNext, opened.uidNext);
    folder.highestModSeq = Math.max(folder.highestModSeq, opened.highestModSeq);
  }

  /** Asks for a change; it is pending until it is answered. */
  async #change(change: Change, token: string, command: string, literal?: Buffer): Promise<ImapAnswer> {
    const { client, model, ledger } = this.#load;
    model.pending = change;
    const askedAt = now();
    const answer = await client.ask(command, literal);
    if (!answer.tagged.startsWith("OK"))
      throw new Error(`${model.address}: ${command.slice(0, 100)}: ${answer.tagged}`);
    const { localPort: port } = client.wire;
    ledger.exchanges.push({
      what: change.kind,
      token,
      account: model.address,
      port,
      askedAt,
      answeredAt: now(),
    });
    model.pending = undefined;
    this.#hear(answer);
    return answer;
  }
  /** What an answer tells besides, about the open mailbox. */
  #hear({ untagged }: ImapAnswer): void {
    const folder = this.#load.model.folders.get(this.#selected);
    if (folder === undefined) return;
    for (const line of untagged) {
      const seen = fetched(line);
      const known = seen && folder.messages.get(seen.uid);
      if (seen === undefined || known === undefined) continue;
      known.modSeq = Math.max(known.modSeq, seen.modSeq);
      folder.highestModSeq = Math.max(folder.highestModSeq, seen.modSeq);
    }
  }

  /** Some messages of some mailbox, which is open then. */
  async #choose(most: number): Promise<{ readonly folder: string; readonly uids: number[] } | undefined> {
    const { model, random } = this.#load;
    const folder = random.of(STEADY);
    await this.open(folder);
    const uids = random.some([...model.folder(folder).messages.keys()], 1 + random.below(most));
    return uids.length === 0 ? undefined : { folder, uids: uids.sort((a, b) => a - b) };
  }

  async append(): Promise<void> {
    const { model, random, newToken } = this.#load;
    const folder = random.of(STEADY.slice(1));
    const flags = sortedFlags(random.some(FLAGS, random.below(3)));
    const letter = { token: newToken(), lines: random.chance(0.03) ? 15_000 : random.below(60) };
    const bytes = letterText(letter, model.address);
    const change = { kind: "append", folder, key: letter.token, flags } as const;
    const { tagged } = await this.#change(change, letter.token, `APPEND ${folder} (${flags})`, bytes);
    const [, uidValidity, uid] = /\[APPENDUID (\d+) (\d+)\]/.exec(tagged)!;
    this.#check(folder, Number(uidValidity));
    model.folder(folder).learn(Number(uid), { key: letter.token, flags, modSeq: 0 });
  }

  async store(): Promise<void> {
    const { model, random } = this.#load;
    const chosen = await this.#choose(4);
    if (chosen === undefined) return;
    const { folder, uids } = chosen;
    const { messages } = model.folder(folder);
    const flags = random.some(FLAGS, 1 + random.below(2));
    const [sign, apply] = random.of([
      ["+", (old: string[]) => [...old, ...flags]],
      ["-", (old: string[]) => old.filter((flag) => !flags.includes(flag as (typeof FLAGS)[number]))],
      ["", () => [...flags]],
    ] as const);
    const after = new Map(uids.map((uid) => [uid, sortedFlags(apply(messages.get(uid)!.flags.split(" ")))]));
    await this.#change(
      { kind: "store", folder, after },
      messages.get(uids[0]!)!.key,
      `UID STORE ${uids} ${sign}FLAGS (${flags.join(" ")})`,
    );
    for (const [uid, flags] of after) messages.get(uid)!.flags = flags;
  }

  async copyOrMove(): Promise<void> {
    const { model, random } = this.#load;
    const chosen = await this.#choose(3);
    if (chosen === undefined) return;
    const { folder, uids } = chosen;
    const to = random.of(STEADY.filter((name) => name !== folder));
    const kind = random.of(["copy", "move"] as const);
    const source = model.folder(folder);
    const { key } = source.messages.get(uids[0]!)!;
    const answer = await this.#change(
      { kind, folder, uids, to },
      key,
      `UID ${kind.toUpperCase()} ${uids} ${to}`,
    );
    const [, uidValidity, from, given] = /\[COPYUID (\d+) (\S+) ([^\s\]]+)\]/.exec(
      [...answer.untagged, answer.tagged].join("\n"),
    )!;
    this.#check(to, Number(uidValidity));
    const targets = expand(given!);
    for (const [at, uid] of expand(from!).entries()) {
      const message = source.messages.get(uid)!;
      model.folder(to).learn(targets[at]!, { ...message, modSeq: 0 });
      if (kind === "move") source.messages.delete(uid);
    }
  }

  async expunge(): Promise<void> {
    const { model } = this.#load;
    const chosen = await this.#choose(3);
    if (chosen === undefined) return;
    const { folder, uids } = chosen;
    const { messages } = model.folder(folder);
    const { key } = messages.get(uids[0]!)!;
    const after = new Map(
      uids.map((uid) => [uid, sortedFlags([...messages.get(uid)!.flags.split(" "), "\\Deleted"])]),
    );
    await this.#change({ kind: "store", folder, after }, key, `UID STORE ${uids} +FLAGS (\\Deleted)`);
    for (const [uid, flags] of after) messages.get(uid)!.flags = flags;
    await this.#change({ kind: "expunge", folder, uids }, key, `UID EXPUNGE ${uids}`);
    for (const uid of uids) messages.delete(uid);
  }

  /** What has come into the inbox. */
  async look(): Promise<void> {
    const { client, model, ledger } = this.#load;
    await this.open("INBOX");
    const folder = model.folder("INBOX");
    const answer = await client.ask(`UID FETCH ${folder.knownBelow}:* (UID FLAGS MODSEQ BODY.PEEK[])`);
    for (const line of answer.untagged) {
      const seen = fetched(line);
      if (seen === undefined) continue;
      folder.knownBelow = Math.max(folder.knownBelow, seen.uid + 1);
      if (folder.given.has(seen.uid)) continue;
      const { key, isWhole } = identify(line);
      if (!isWhole) throw new Error(`${model.address}: UID ${seen.uid} is not whole: ${line.slice(0, 300)}`);
      ledger.arrived(model.address, key);
      folder.learn(seen.uid, { key, flags: seen.flags, modSeq: seen.modSeq });
    }
  }

  async folders(): Promise<void> {
    const { model, random } = this.#load;
    await this.open("INBOX");
    const name = random.of(PASSING);
    if (!model.folders.has(name)) {
      for (const folder of [name, `${name}.sub`]) {
        await this.#change({ kind: "create", folder }, folder, `CREATE ${folder}`);
        model.folder(folder);
      }
      await this.#fill(`${name}.sub`);
      return;
    }
    const to = PASSING.find((other) => !model.folders.has(other));
    if (to !== undefined && random.chance(0.6)) {
      await this.#change({ kind: "rename", folder: name, to }, name, `RENAME ${name} ${to}`);
      model.applyRename(name, to);
      return;
    }
    for (const folder of [`${name}.sub`, name]) {
      if (!model.folders.has(folder)) continue;
      await this.#change({ kind: "delete", folder }, folder, `DELETE ${folder}`);
      model.applyDelete(folder);
    }
  }
  /** Something to lose in a new mailbox. */
  async #fill(folder: string): Promise<void> {
    const { model, newToken } = this.#load;
    const letter = { token: newToken(), lines: 5 };
    const change = { kind: "append", folder, key: letter.token, flags: "" } as const;
    const bytes = letterText(letter, model.address);
    const { tagged } = await this.#change(change, letter.token, `APPEND ${folder} ()`, bytes);
    const [, uidValidity, uid] = /\[APPENDUID (\d+) (\d+)\]/.exec(tagged)!;
    const buried = model.deleted.get(folder) ?? 0;
    if (Number(uidValidity) <= buried)
      throw new Error(`${folder} was made again with UIDVALIDITY ${uidValidity} after ${buried}`);
    this.#check(folder, Number(uidValidity));
    model.folder(folder).learn(Number(uid), { key: letter.token, flags: "", modSeq: 0 });
  }

  #check(name: string, uidValidity: number): void {
    const folder = this.#load.model.folder(name);
    if (folder.uidValidity === 0) folder.uidValidity = uidValidity;
    if (folder.uidValidity !== uidValidity)
      throw new Error(`${name}: UIDVALIDITY was ${folder.uidValidity}, and an answer says ${uidValidity}`);
  }
}

/** How often each kind of step comes. */
const STEPS: readonly (readonly [weight: number, run: (worker: Worker) => Promise<void>])[] = [
  [4, (worker) => worker.look()],
  [4, (worker) => worker.append()],
  [4, (worker) => worker.store()],
  [4, (worker) => worker.copyOrMove()],
  [3, (worker) => worker.expunge()],
  [2, (worker) => worker.folders()],
];

/** "1:3,7" → 1, 2, 3, 7. */
function expand(set: string): number[] {
  return set.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split(":").map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}
