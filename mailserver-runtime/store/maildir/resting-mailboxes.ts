/**
 * Mailboxes nobody holds stay in memory for a while, because the next session often opens the same ones. This
 * bounds how long, and how much memory all of them together take, over all accounts of the store.
 */
import type { MaildirMailbox } from "./mailbox.ts";

/** What one message takes in memory, roughly: its columns, its file name, a map entry. */
const BYTES_A_MESSAGE = 160;
const BYTES_A_MAILBOX = 8 * 1024;

interface Resting {
  readonly unload: () => void;
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
}

export class RestingMailboxes {
  readonly #keepMs: number;
  readonly #maxBytes: number;
  /** The longest resting first. */
  readonly #resting = new Map<MaildirMailbox, Resting>();
  #bytes = 0;

  constructor(keepMs: number, maxBytes: number) {
    this.#keepMs = keepMs;
    this.#maxBytes = maxBytes;
  }

  /** `unload` is called once, when its time or the memory is over, unless `take` comes first. */
  rest(mailbox: MaildirMailbox, unload: () => void): void {
    this.take(mailbox);
    const bytes = BYTES_A_MAILBOX + BYTES_A_MESSAGE * mailbox.view().count;
    const timer = setTimeout(() => this.#end(mailbox), this.#keepMs).unref();
    this.#resting.set(mailbox, { unload, bytes, timer });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) this.#end(this.#resting.keys().next().value!);
  }
  /** The mailbox is held again, or gone. */
  take(mailbox: MaildirMailbox): void {
    const entry = this.#resting.get(mailbox);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    this.#resting.delete(mailbox);
    this.#bytes -= entry.bytes;
  }
  #end(mailbox: MaildirMailbox): void {
    const entry = this.#resting.get(mailbox);
    this.take(mailbox);
    entry?.unload();
  }
}
