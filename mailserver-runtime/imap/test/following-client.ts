/**
 * A client that knows of its mailbox only what the server told it, as mail programs do: a list of messages kept by EXISTS,
 * EXPUNGE, VANISHED and FETCH (RFC 9051 §7, RFC 7162 §3.2.10). What it is told must fit what it knows.
 */
import assert from "node:assert/strict";
import type { Client } from "./client.ts";

/** A message as it was told; what was not told yet is absent. */
export interface Told {
  uid?: number;
  flags?: string;
}

/** UIDs of a sequence set without `*`. */
export function uidsOfSet(set: string): number[] {
  return set.split(",").flatMap((range) => {
    const [first, last = first] = range.split(":").map(Number) as [number, number?];
    return Array.from({ length: Math.abs(last - first) + 1 }, (_, i) => Math.min(first, last) + i);
  });
}

/** Flags in order, without \Recent, which is each session's own. */
export function flagText(flags: string): string {
  return flags
    .split(" ")
    .filter((flag) => flag !== "" && flag !== "\\Recent")
    .sort()
    .join(" ");
}

export class FollowingClient {
  readonly messages: Told[] = [];
  /** UIDs it was told are gone. */
  readonly gone = new Set<number>();
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Sends a command, follows what is told, and asks for the UIDs of messages that are new to it. */
  async run(line: string): Promise<string> {
    const text = await this.#told(line);
    const from = this.messages.findIndex(({ uid }) => uid === undefined);
    if (from >= 0) await this.#told(`n FETCH ${from + 1}:${this.messages.length} (UID FLAGS)`);
    return text;
  }
  /** What the client changed itself and is not told again (STORE .SILENT). */
  changed(uids: readonly number[], flag: string, isSet: boolean): void {
    for (const message of this.messages) {
      if (message.flags === undefined || !uids.includes(message.uid ?? 0)) continue;
      const others = message.flags.split(" ").filter((other) => other !== flag);
      message.flags = flagText([...others, ...(isSet ? [flag] : [])].join(" "));
    }
  }
  end(): void {
    this.#client.end();
  }

  async #told(line: string): Promise<string> {
    const tag = line.slice(0, line.indexOf(" "));
    this.#client.send(`${line}\r\n`);
    const text = await this.#client.until(new RegExp(`^${tag} (OK|NO|BAD).*\\r\\n`, "m"));
    for (const match of text.matchAll(/^\* (?:(\d+) (EXISTS|EXPUNGE|FETCH)|VANISHED)(.*)\r$/gm))
      this.#follow(match[2], Number(match[1]), match[3]!, line);
    return text;
  }
  #follow(kind: string | undefined, number: number, rest: string, line: string): void {
    const { messages } = this;
    if (kind === undefined) {
      const set = /[\d:,]+$/.exec(rest)![0];
      for (const uid of uidsOfSet(set)) this.#vanish(uid);
    } else if (kind === "EXISTS") {
      assert.ok(number >= messages.length, `EXISTS never takes messages away: ${line}`);
      while (messages.length < number) messages.push({});
    } else {
      const message = messages[number - 1];
      assert.ok(message, `${kind} ${number} of ${messages.length} messages: ${line}`);
      if (kind === "EXPUNGE") {
        messages.splice(number - 1, 1);
        if (message.uid !== undefined) this.gone.add(message.uid);
        return;
      }
      const uid = /\bUID (\d+)/.exec(rest)?.[1];
      const flags = /\bFLAGS \(([^)]*)\)/.exec(rest)?.[1];
      if (uid !== undefined) {
        assert.equal(Number(uid), message.uid ?? Number(uid), `a number keeps its message: ${line}`);
        message.uid = Number(uid);
      }
      if (flags !== undefined) message.flags = flagText(flags);
    }
  }

  /** A message that went before its UID was told lies, as UIDs ascend, between its neighbours. */
  #vanish(uid: number): void {
    const { messages } = this;
    let at = messages.findIndex((message) => message.uid === uid);
    if (at < 0) {
      const next = messages.findIndex((message) => (message.uid ?? 0) > uid);
      const before = next < 0 ? messages.length - 1 : next - 1;
      if (before < 0 || messages[before]!.uid !== undefined) return;
      at = before;
    }
    messages.splice(at, 1);
    this.gone.add(uid);
  }
}
