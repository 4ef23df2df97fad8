/**
 * The mailboxes of one account that are in memory: one object for each, whoever opens it, and never two for
 * one folder: who opens a mailbox that is being closed waits until its state is on disk.
 */
import type { MaildirMailbox } from "./mailbox.ts";
import type { RestingMailboxes } from "./resting-mailboxes.ts";

export class OpenMailboxes {
  readonly #make: (disk: string) => MaildirMailbox;
  readonly #resting: RestingMailboxes;
  readonly #loading = new Map<string, Promise<MaildirMailbox>>();
  readonly #mailboxes = new Map<string, MaildirMailbox>();
  readonly #closing = new Map<string, Promise<void>>();

  constructor(make: (disk: string) => MaildirMailbox, resting: RestingMailboxes) {
    this.#make = make;
    this.#resting = resting;
  }

  get size(): number {
    return this.#mailboxes.size + this.#closing.size;
  }
  /** The mailbox when it is in memory or on its way there. */
  get(disk: string): MaildirMailbox | undefined {
    return this.#mailboxes.get(disk);
  }

  /** The mailbox, held by the caller until its `release`. */
  async hold(disk: string): Promise<MaildirMailbox> {
    for (let closing = this.#closing.get(disk); closing !== undefined; closing = this.#closing.get(disk))
      await closing;
    let loading = this.#loading.get(disk);
    if (loading === undefined) {
      const mailbox = this.#make(disk);
      loading = mailbox.load();
      this.#loading.set(disk, loading);
      this.#mailboxes.set(disk, mailbox);
      loading.catch(() => {
        this.#loading.delete(disk);
        this.#mailboxes.delete(disk);
      });
    }
    // Counted before it is there, so that nothing closes it meanwhile.
    const mailbox = this.#mailboxes.get(disk)!;
    mailbox.holders++;
    this.#resting.take(mailbox);
    return loading;
  }

  /** Nobody holds it: it rests. */
  released(disk: string): void {
    const mailbox = this.#mailboxes.get(disk);
    if (mailbox === undefined || mailbox.holders > 0) return;
    this.#resting.rest(mailbox, () => void this.close(disk));
  }

  /** Takes the mailbox out of memory, its state on disk. Who still holds it gets "nonexistent" from then on. */
  close(disk: string): Promise<void> {
    const mailbox = this.#mailboxes.get(disk);
    if (mailbox === undefined) return this.#closing.get(disk) ?? Promise.resolve();
    this.#resting.take(mailbox);
    this.#mailboxes.delete(disk);
    this.#loading.delete(disk);
    const closing = mailbox.close().finally(() => this.#closing.delete(disk));
    this.#closing.set(disk, closing);
    return closing;
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#mailboxes.keys()].map((disk) => this.close(disk)));
    await Promise.all(this.#closing.values());
  }
}
