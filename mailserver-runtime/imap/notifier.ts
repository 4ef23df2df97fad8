/**
 * Tells a client what it asked for with NOTIFY (RFC 5465): changes of the selected mailbox as they happen,
 * STATUS of others, and names that come, go and are subscribed.
 *
 * Changes are noted when the store tells them and written when no command runs, each piece in one step, so
 * that no answer is ever cut in two. Several changes of one mailbox become one STATUS, and nothing is
 * written while the client has not taken what came before; more mailboxes than that could wait for end the
 * request with NOTIFICATIONOVERFLOW (RFC 5465 §5.8).
 */
import { ConnectionError } from "../net/connection.ts";
import {
  type AccountChange,
  type MailboxEntry,
  type MailboxStatus,
  positionOf,
  StoreError,
} from "../store/mail-store.ts";
import { writeStatusOf } from "./commands/status.ts";
import { FetchMessage, Need } from "./fetch/fetch-message.ts";
import { itemWriter } from "./fetch/items.ts";
import type { FetchItem } from "./grammar/fetch-items.ts";
import type { MailboxGroup, NotifyEvent, NotifyRequest } from "./grammar/notify-request.ts";
import { Output } from "./output.ts";
import { beginFetch, type Selected } from "./selected.ts";
import type { Session } from "./session.ts";
import { updateStyle } from "./update-style.ts";

/** Mailboxes whose changes wait to be told. */
const MAX_WAITING = 1000;
/** Bytes of a message of which more than index and header is sent unasked; a larger one the client fetches itself. */
const MAX_UNASKED = 256 * 1024;

export class Notifier {
  readonly #session: Session;
  readonly #request: NotifyRequest;
  readonly #stop: () => void;
  /** Mailboxes that changed, by name. */
  readonly #waiting = new Set<string>();
  /** What the client has been told of a mailbox. */
  readonly #told = new Map<string, MailboxStatus>();
  #names = new Map<string, MailboxEntry>();
  #namesChanged = false;
  /** Entries that were set, by mailbox; "" is the account. */
  readonly #annotated = new Map<string, Set<string>>();
  readonly #renamed = new Map<string, string>();
  /** The selected mailbox new messages are counted in, and the UID they begin at. */
  #selected: Selected | undefined;
  #newFrom = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #telling = false;
  #stopped = false;

  constructor(session: Session, request: NotifyRequest) {
    this.#session = session;
    this.#request = request;
    this.#stop =
      request.groups.length > 0 || request.selected
        ? session.mail.onChange((change) => this.#note(change))
        : () => {};
    this.#watchSelection();
  }

  /** Changes of flags are told in the selected mailbox. */
  get tellsFlags(): boolean {
    return this.#request.selected?.events.has("FLAGCHANGE") === true;
  }

  /** Remembers how everything is now, and tells it where the client asked for that. */
  async begin(): Promise<void> {
    const { groups, status } = this.#request;
    if (groups.length === 0) return;
    this.#names = byName(await this.#session.mail.list());
    for (const [name, entry] of this.#names) {
      if (!entry.selectable || !this.#wants(name, "MESSAGENEW") || this.#isSelected(name)) continue;
      const counted = await this.#count(name);
      if (!counted) continue;
      this.#told.set(name, counted);
      if (status) this.#writeStatus(name, counted);
    }
  }

  stop(): void {
    this.#stopped = true;
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#stop();
  }

  /** A command has ended, or IDLE has begun: what waits may be told. */
  wake(): void {
    this.#watchSelection();
    const due = this.#waiting.size > 0 || this.#namesChanged || this.#annotated.size > 0 || this.#hasNew();
    if (!due || this.#stopped || this.#telling || !this.#quiet) return;
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      void this.#tellAll();
    });
  }

  /** No command is being answered, so whole responses may be written. */
  get #quiet(): boolean {
    return !this.#stopped && (this.#session.idling || !this.#session.busy);
  }

  #note(change: AccountChange): void {
    if (change.kind === "status") this.#waiting.add(change.mailbox);
    else if (change.kind === "metadata") {
      const entries = this.#annotated.get(change.mailbox) ?? new Set();
      for (const entry of change.entries) if (entries.size <= MAX_WAITING) entries.add(entry);
      this.#annotated.set(change.mailbox, entries);
    } else if (change.kind === "acl") {
      // What somebody may know of came or went.
      this.#namesChanged = true;
    } else {
      this.#namesChanged = true;
      for (const [from, to] of change.renamed ?? []) this.#renamed.set(to, from);
    }
    this.wake();
  }

  #watchSelection(): void {
    const { selected } = this.#session;
    if (selected === this.#selected) return;
    this.#selected = selected;
    this.#newFrom = selected?.known.uidNext ?? 0;
  }
  #hasNew(): boolean {
    const items = this.#request.selected?.items.length ?? 0;
    return items > 0 && this.#selected !== undefined && this.#selected.known.uidNext > this.#newFrom;
  }
  #isSelected(name: string): boolean {
    return this.#session.selected?.mailbox.name === name;
  }

  /** The first group a mailbox belongs to decides (RFC 5465 §6). */
  #wants(name: string, event: NotifyEvent): boolean {
    const group = this.#request.groups.find((candidate) => this.#belongs(name, candidate));
    return group?.events.has(event) === true;
  }
  #belongs(name: string, { filter, names }: MailboxGroup): boolean {
    const { separator } = this.#session;
    if (filter === "PERSONAL") return !name.startsWith(this.#session.mail.othersPrefix);
    if (filter === "INBOXES") return name === "INBOX";
    if (filter === "SUBSCRIBED") return this.#names.get(name)?.subscribed === true;
    if (filter === "MAILBOXES") return names.includes(name);
    return names.some((root) => name === root || name.startsWith(root + separator));
  }

  async #tellAll(): Promise<void> {
    const { connection, limits, out, log } = this.#session;
    this.#telling = true;
    try {
      await connection.drained(limits.writeTimeout);
      const entries = [...this.#annotated.values()].reduce((sum, { size }) => sum + size, 0);
      if (this.#waiting.size + entries > MAX_WAITING) return this.#overflow();
      if (this.#namesChanged) await this.#tellNames();
      if (this.#quiet) this.#tellMetadata();
      if (this.#quiet) await this.#tellSelected();
      await this.#tellOthers();
      if (this.#quiet) out.endAnswer();
    } catch (error) {
      // A connection that ended is the session's own to notice.
      if (!(error instanceof ConnectionError)) {
        log.warn({ event: "notify-failed", err: error }, "a client could not be told of changes");
      }
      this.#waiting.clear();
      this.#annotated.clear();
      this.#namesChanged = false;
      this.#newFrom = this.#selected?.known.uidNext ?? 0;
    } finally {
      this.#telling = false;
    }
    this.wake();
  }

  /** RFC 5465 §5.8: the client hears that it will be told nothing more, and asks anew. */
  #overflow(): void {
    if (!this.#quiet) return;
    this.stop();
    this.#session.notifier = undefined;
    this.#session.out.text("* OK [NOTIFICATIONOVERFLOW] Too much has changed; ask anew.\r\n");
    this.#session.out.endAnswer();
  }

  async #tellSelected(): Promise<void> {
    const group = this.#request.selected;
    const box = this.#session.selected;
    if (!box) return;
    this.#waiting.delete(box.mailbox.name);
    if (!group?.events.has("MESSAGENEW")) return;
    const session = this.#session;
    box.synchronize(session.out, updateStyle(session), group.immediate || session.idling);
    session.out.endAnswer();
    if (group.items.length > 0) await this.#tellNew(box, group.items);
  }

  /** FETCH of messages the client has just been told of by EXISTS (RFC 5465 §5.2). */
  async #tellNew(box: Selected, items: readonly FetchItem[]): Promise<void> {
    // The UID comes by itself, for the client may hear of an EXPUNGE at any time.
    const writers = items.filter((item) => item.kind !== "simple" || item.name !== "UID").map(itemWriter);
    const needs = writers.reduce((sum, writer) => sum | writer.needs, 0);
    const uids = [...box.known.uids.subarray(0, box.known.count)].filter((uid) => uid >= this.#newFrom);
    for (const uid of uids) {
      const position = positionOf(box.known, uid);
      if (position < 0) continue;
      const large = needs & (Need.Content | Need.Structure) && box.known.sizes[position]! > MAX_UNASKED;
      const message = new FetchMessage(box, position);
      const pieces: Buffer[] = [];
      try {
        if (!large) {
          await message.load(needs);
          const out = new Output(collecting(pieces), 0);
          let refused = false;
          for (const writer of writers) refused ||= (await writer.prepare?.(message)) !== undefined;
          const { uidOnly } = this.#session.enabled;
          beginFetch(out, uidOnly ? uid : position + 1, uidOnly);
          out.text(`UID ${uid}`);
          for (const writer of refused ? [] : writers) {
            out.text(" ");
            await writer.write(out, message);
          }
          out.text(")\r\n");
          out.flush();
        }
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
      } finally {
        await message.dispose();
      }
      // A command came meanwhile: it may have changed the numbers, so this message is told after it.
      if (!this.#quiet || this.#session.selected !== box) return;
      if (positionOf(box.known, uid) === position) for (const piece of pieces) this.#session.out.bytes(piece);
      this.#session.out.endAnswer();
      this.#newFrom = uid + 1;
    }
    this.#newFrom = box.known.uidNext;
  }

  /** METADATA with the names of entries alone (RFC 5464 §4.4.2); who wants the values asks for them. */
  #tellMetadata(): void {
    const { out } = this.#session;
    for (const [name, entries] of this.#annotated) {
      const wanted =
        name === ""
          ? this.#request.groups.some(({ events }) => events.has("SERVERMETADATACHANGE"))
          : this.#wants(name, "MAILBOXMETADATACHANGE");
      if (!wanted) continue;
      out.text("* METADATA ");
      this.#session.writeMailboxName(name);
      for (const entry of entries) {
        out.text(" ");
        out.astring(Buffer.from(entry, "latin1"));
      }
      out.text("\r\n");
    }
    this.#annotated.clear();
  }

  async #tellOthers(): Promise<void> {
    for (const name of [...this.#waiting]) {
      if (this.#isSelected(name)) continue;
      if (!this.#wants(name, "MESSAGENEW")) {
        this.#waiting.delete(name);
        continue;
      }
      const counted = await this.#count(name);
      if (!this.#quiet) return;
      this.#waiting.delete(name);
      if (!counted) continue;
      const before = this.#told.get(name);
      this.#told.set(name, counted);
      if (this.#differs(name, before, counted)) this.#writeStatus(name, counted);
    }
  }
  #differs(name: string, before: MailboxStatus | undefined, now: MailboxStatus): boolean {
    if (!before) return true;
    const flags = this.#wants(name, "FLAGCHANGE") && before.highestModSeq !== now.highestModSeq;
    return (
      flags ||
      before.messages !== now.messages ||
      before.uidNext !== now.uidNext ||
      before.uidValidity !== now.uidValidity
    );
  }
  async #count(name: string): Promise<MailboxStatus | undefined> {
    try {
      return await this.#session.mail.status(name);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return undefined;
    }
  }
  #writeStatus(name: string, counted: MailboxStatus): void {
    const items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"];
    const flags = this.#wants(name, "FLAGCHANGE");
    if (flags) items.push("UNSEEN");
    // RFC 5465 §5.1: what others did to flags shows in this number alone.
    if (flags || this.#session.enabled.condstore) items.push("HIGHESTMODSEQ");
    writeStatusOf(this.#session, name, items, counted);
  }

  /** LIST of what came, went or was renamed (RFC 5465 §5.4), and of subscriptions (§5.5). */
  async #tellNames(): Promise<void> {
    const entries = await this.#session.mail.list();
    if (!this.#quiet) return;
    const before = this.#names;
    const now = byName(entries);
    this.#names = now;
    this.#namesChanged = false;
    const renamed = new Map(this.#renamed);
    this.#renamed.clear();
    const left = new Set(renamed.values());
    for (const [name, entry] of before) {
      if (!entry.selectable || now.get(name)?.selectable) continue;
      this.#told.delete(name);
      if (this.#wants(name, "MAILBOXNAME") && !left.has(name)) this.#writeList(name, ["\\NonExistent"]);
    }
    for (const [name, entry] of now) {
      const old = before.get(name);
      const came = entry.selectable && !old?.selectable && this.#wants(name, "MAILBOXNAME");
      const subscribes =
        entry.subscribed !== (old?.subscribed ?? false) && this.#wants(name, "SUBSCRIPTIONCHANGE");
      if (!came && !subscribes) continue;
      const attributes = entry.subscribed ? ["\\Subscribed"] : [];
      if (!entry.selectable) attributes.push("\\NonExistent");
      if (entry.specialUse) attributes.push(entry.specialUse);
      this.#writeList(name, attributes, came ? renamed.get(name) : undefined);
    }
    // A name that was only subscribed is in the list no more.
    for (const [name, entry] of before) {
      if (entry.selectable || !entry.subscribed || now.has(name)) continue;
      if (this.#wants(name, "SUBSCRIPTIONCHANGE")) this.#writeList(name, ["\\NonExistent"]);
    }
  }
  #writeList(name: string, attributes: readonly string[], oldName?: string): void {
    const { out, separator } = this.#session;
    out.text(`* LIST (${attributes.join(" ")}) "${separator}" `);
    this.#session.writeMailboxName(name);
    if (oldName !== undefined) {
      out.text(' ("OLDNAME" (');
      this.#session.writeMailboxName(oldName);
      out.text("))");
    }
    out.text("\r\n");
  }
}

function byName(entries: readonly MailboxEntry[]): Map<string, MailboxEntry> {
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** Where one response is put together before it is sent in one piece. */
function collecting(pieces: Buffer[]): ConstructorParameters<typeof Output>[0] {
  return {
    write: (piece) => void pieces.push(Buffer.from(piece as Buffer)),
    drained: async () => {},
  };
}
