/**
 * How much each receiver has had from this server, and how much it may have today.
 *
 * A server that nobody knows is trusted with little mail at first; who sends more is deferred, and remembered for it. So
 * the ceiling of a day rises with the time for which a receiver has known this server, where `delivery.warmUp` declares
 * one. Who has not heard of us for a month has forgotten us, and begins again.
 *
 * The record is one small text file, `<receiver> <first day> <last day> <messages of the last day>` a line, days counted
 * from 1970: written a while after it changed and when the server ends, so a crash forgets a minute's counts. It is kept
 * whether or not there is a ceiling, because a server is as old as it is when one is declared.
 */
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import type { Log } from "../net/log.ts";
import type { Settings } from "../settings/schema.ts";
import { type Admission, UNDER_WAY_MS } from "./pace.ts";

type WarmUpSettings = Settings["delivery"]["warmUp"];

const DAY_MS = 86_400_000;
/** Days without mail after which a receiver has forgotten this server. */
const FORGOTTEN_AFTER_DAYS = 30;
const SAVE_AFTER_MS = 60_000;
/** Receivers remembered; the longest unused leave first. */
export const MAX_RECEIVERS = 20_000;

interface Known {
  readonly since: number;
  readonly day: number;
  readonly sent: number;
}

/** Messages that a receiver may have on the day `age` days after its first; undefined: no ceiling. Pure. */
export function ceilingAt(age: number, { messagesPerDay, growth, days }: WarmUpSettings): number | undefined {
  if (messagesPerDay === 0 || age >= days) return undefined;
  return Math.floor(messagesPerDay * growth ** age);
}

export class WarmUp {
  readonly #path: string | undefined;
  readonly #log: Log;
  readonly #known: Map<string, Known>;
  readonly #underWay = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string | undefined, log: Log, known: Map<string, Known>) {
    this.#path = path;
    this.#log = log;
    this.#known = known;
  }

  /** Without a path nothing outlives the process. A file that cannot be read is named in the log and begun anew. */
  static async open(path: string | undefined, log: Log): Promise<WarmUp> {
    let known = new Map<string, Known>();
    try {
      if (path !== undefined) known = parse((await readIfPresent(path)) ?? "");
    } catch (error) {
      log.error({ path, error: String(error) }, "what receivers have had is not known; counted anew");
    }
    return new WarmUp(path, log, known);
  }

  /** Whether a receiver may have another message today. */
  admission(receiver: string, now: number, settings: WarmUpSettings): Admission {
    const day = dayOf(now);
    const known = this.#current(receiver, day);
    const ceiling = ceilingAt(day - (known?.since ?? day), settings);
    const sent = known?.day === day ? known.sent : 0;
    const underWay = this.#underWay.get(receiver) ?? 0;
    if (ceiling === undefined || sent + underWay < ceiling) return { kind: "go" };
    return {
      kind: "wait",
      until: sent < ceiling ? now + UNDER_WAY_MS : (day + 1) * DAY_MS,
      why: `${receiver} has got its ${ceiling} messages of today (delivery.warmUp)`,
    };
  }

  /** A message goes; `ended` follows. */
  begin(receiver: string): void {
    this.#underWay.set(receiver, (this.#underWay.get(receiver) ?? 0) + 1);
  }

  ended(receiver: string, now: number, arrived: boolean): void {
    const left = (this.#underWay.get(receiver) ?? 1) - 1;
    if (left > 0) this.#underWay.set(receiver, left);
    else this.#underWay.delete(receiver);
    if (!arrived) return;
    const day = dayOf(now);
    const known = this.#current(receiver, day);
    const sent = (known?.day === day ? known.sent : 0) + 1;
    // Taken out and put in again: the order is that of the last use.
    this.#known.delete(receiver);
    this.#known.set(receiver, { since: known?.since ?? day, day, sent });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_RECEIVERS) break;
      this.#known.delete(oldest);
    }
    if (this.#path === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#save();
    }
    await this.#saving;
  }

  #current(receiver: string, day: number): Known | undefined {
    const known = this.#known.get(receiver);
    return known !== undefined && day - known.day <= FORGOTTEN_AFTER_DAYS ? known : undefined;
  }

  #save(): void {
    const path = this.#path;
    this.#timer = undefined;
    if (path === undefined) return;
    const text = [...this.#known]
      .map(([receiver, { since, day, sent }]) => `${receiver} ${since} ${day} ${sent}\n`)
      .join("");
    this.#saving = this.#saving
      .then(() => writeDurably(path, text))
      .catch((error: unknown) =>
        this.#log.error({ path, error: String(error) }, "what receivers have had could not be written"),
      );
  }
}

const dayOf = (now: number): number => Math.floor(now / DAY_MS);

/** Lines that are none of ours are passed over. */
function parse(text: string): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const line of text.split("\n").slice(0, MAX_RECEIVERS)) {
    const [, receiver, since, day, sent] = /^(\S{1,255}) (\d{1,7}) (\d{1,7}) (\d{1,15})$/.exec(line) ?? [];
    if (receiver !== undefined)
      known.set(receiver, { since: Number(since), day: Number(day), sent: Number(sent) });
  }
  return known;
}
