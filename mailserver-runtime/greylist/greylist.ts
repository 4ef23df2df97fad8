/**
 * Greylisting: who writes to somebody for the first time is asked to come again, as every mail server does and much of
 * what sends spam does not.
 *
 * What is remembered is the triple of network, sender and recipient. The network is the IPv4 /24 or IPv6 /64, because big
 * senders come again from a neighbour; where SPF passes it is the sender's domain, because the biggest come again from
 * anywhere. A network that has come again often enough with different mail is known, and waits no more. Senders that are
 * made anew for each message (VERP) count as one. It is on nobody's way by default.
 *
 * The state is one plain file, written whole once a minute and at the end: what a crash forgets costs a sender one wait
 * more. It belongs to the first process; the others ask it.
 */
import { createHash } from "node:crypto";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import type { Log } from "../net/log.ts";

export interface GreylistQuestion {
  /** The client's network or the domain that answers for it; see `networkOf`. */
  readonly network: string;
  /** Reverse-path, "" for null. */
  readonly sender: string;
  readonly recipient: string;
  readonly delaySeconds: number;
  readonly maxAgeDays: number;
  /** A network that came again so often waits no more; 0: every triple waits. */
  readonly autoAllowAfter: number;
}
export type GreylistAnswer =
  | { readonly kind: "pass"; readonly because: "known" | "waited" | "trusted network" }
  /** How long still. */
  | { readonly kind: "wait"; readonly seconds: number };

export interface Greylist {
  /** Notes that somebody asked, and says whether he may pass. */
  ask(question: GreylistQuestion): GreylistAnswer;
  /** Whether the triple has passed before, or its network is trusted; notes nothing. */
  knows(question: GreylistQuestion): boolean;
  save(): Promise<void>;
  close(): Promise<void>;
}

interface Seen {
  first: number;
  last: number;
  /** How often it has passed. */
  passes: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Who does not come again within this time begins anew. */
const RETRY_WINDOW_MS = 2 * DAY_MS;
/** Triples and networks that are remembered; the ones unseen for longest go first. About 12 MB. */
const MAX_SEEN = 100_000;
const SAVE_MS = 60_000;

export interface GreylistOptions {
  readonly path: string;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly maxSeen?: number;
}

export async function openGreylist(options: GreylistOptions): Promise<Greylist> {
  const { path, log, clock = Date.now, maxSeen = MAX_SEEN } = options;
  /** In the order in which they were seen last. */
  const seen = new Map<string, Seen>();
  for (const line of ((await readIfPresent(path)) ?? "").split("\n")) {
    const [, key = "", first, last, passes] = /^(\S{16,24})\t(\d+)\t(\d+)\t(\d+)$/.exec(line) ?? [];
    if (key !== "") seen.set(key, { first: Number(first), last: Number(last), passes: Number(passes) });
  }
  let isChanged = false;
  let saving: Promise<void> = Promise.resolve();

  function note(key: string, now: number, isPass: boolean, begins: boolean): void {
    const before = begins ? undefined : seen.get(key);
    seen.delete(key);
    seen.set(key, {
      first: before?.first ?? now,
      last: now,
      passes: (before?.passes ?? 0) + Number(isPass),
    });
    if (seen.size > maxSeen) seen.delete(seen.keys().next().value ?? "");
    isChanged = true;
  }
  function fresh(key: string, now: number, maxAgeDays: number): Seen | undefined {
    const entry = seen.get(key);
    if (entry === undefined) return undefined;
    const age = now - entry.last;
    return age > (entry.passes > 0 ? maxAgeDays * DAY_MS : RETRY_WINDOW_MS) ? undefined : entry;
  }
  const isTrusted = ({ network, autoAllowAfter, maxAgeDays }: GreylistQuestion, now: number): boolean =>
    autoAllowAfter > 0 && (fresh(networkKey(network), now, maxAgeDays)?.passes ?? 0) >= autoAllowAfter;

  async function save(): Promise<void> {
    if (!isChanged) return;
    isChanged = false;
    const lines = [...seen].map(([key, { first, last, passes }]) => `${key}\t${first}\t${last}\t${passes}\n`);
    await writeDurably(path, lines.join(""));
  }
  const saveInTurn = (): Promise<void> => {
    saving = saving.then(save).catch((error: unknown) => {
      isChanged = true;
      log.error({ event: "greylist-not-saved", file: path, error: String(error) });
    });
    return saving;
  };
  const regularly = setInterval(() => void saveInTurn(), SAVE_MS).unref();

  return {
    knows(question) {
      const now = clock();
      const entry = fresh(tripleKey(question), now, question.maxAgeDays);
      return isTrusted(question, now) || (entry?.passes ?? 0) > 0;
    },
    ask(question) {
      const now = clock();
      const { delaySeconds, maxAgeDays, network } = question;
      if (isTrusted(question, now)) {
        note(networkKey(network), now, false, false);
        return { kind: "pass", because: "trusted network" };
      }
      const key = tripleKey(question);
      const entry = fresh(key, now, maxAgeDays);
      if (entry !== undefined && entry.passes > 0) {
        note(key, now, true, false);
        return { kind: "pass", because: "known" };
      }
      const left = entry === undefined ? delaySeconds * 1000 : entry.first + delaySeconds * 1000 - now;
      if (left > 0) {
        note(key, now, false, entry === undefined);
        return { kind: "wait", seconds: Math.ceil(left / 1000) };
      }
      note(key, now, true, false);
      // At most once an hour, so that one burst does not make a network known.
      const its = fresh(networkKey(network), now, maxAgeDays);
      if (its === undefined || now - its.last >= HOUR_MS)
        note(networkKey(network), now, true, its === undefined);
      return { kind: "pass", because: "waited" };
    },
    save: saveInTurn,
    async close() {
      clearInterval(regularly);
      await saveInTurn();
    },
  };
}

function tripleKey({ network, sender, recipient }: GreylistQuestion): string {
  return digest(`${network}\n${senderOf(sender)}\n${recipient.toLowerCase()}`);
}
const networkKey = (network: string): string => digest(network);
const digest = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22);

/** Without what changes from message to message: numbers and extensions in the local part. */
export function senderOf(sender: string): string {
  const address = sender.toLowerCase();
  const at = address.lastIndexOf("@");
  if (at <= 0) return address;
  return (
    address
      .slice(0, at)
      .replace(/\+.*$/, "")
      .replace(/\b[0-9a-f]*\d[0-9a-f]*\b|\d+/g, "#") + address.slice(at)
  );
}
