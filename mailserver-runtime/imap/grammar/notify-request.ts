/** What a client asks to be told (RFC 5465 §8): event groups, each a filter of mailboxes and their events. */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";
import { type FetchItem, parseFetchItems } from "./fetch-items.ts";

/** Every event that is told here, as the RFC writes it; the keys are what is read. */
export const EVENTS = {
  MESSAGENEW: "MessageNew",
  MESSAGEEXPUNGE: "MessageExpunge",
  FLAGCHANGE: "FlagChange",
  MAILBOXNAME: "MailboxName",
  SUBSCRIPTIONCHANGE: "SubscriptionChange",
  MAILBOXMETADATACHANGE: "MailboxMetadataChange",
  SERVERMETADATACHANGE: "ServerMetadataChange",
} as const;
export type NotifyEvent = keyof typeof EVENTS;

const MESSAGE_EVENTS: ReadonlySet<string> = new Set(["MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"]);
const WITHOUT_NAMES = ["INBOXES", "PERSONAL", "SUBSCRIBED"] as const;
const WITH_NAMES = ["SUBTREE", "MAILBOXES"] as const;
const MAX_GROUPS = 50;
const MAX_NAMES = 1000;

/** The selected mailbox, whichever it is. */
export interface SelectedGroup {
  /** EXPUNGE is told at once, also between commands (SELECTED), or when a command allows it (SELECTED-DELAYED). */
  readonly immediate: boolean;
  readonly events: ReadonlySet<NotifyEvent>;
  /** Of new messages. */
  readonly items: readonly FetchItem[];
}
/** Mailboxes that are not selected. */
export interface MailboxGroup {
  readonly filter: (typeof WITHOUT_NAMES)[number] | (typeof WITH_NAMES)[number];
  readonly names: readonly string[];
  readonly events: ReadonlySet<NotifyEvent>;
}
export interface NotifyRequest {
  /** A STATUS of each mailbox with message events, first. */
  readonly status: boolean;
  readonly selected: SelectedGroup | undefined;
  readonly groups: readonly MailboxGroup[];
  /** Events that are not told here: the request is refused as a whole. */
  readonly unknown: readonly string[];
}

/** Reads what stands behind NOTIFY; `mailbox` reads one name. Throws GrammarError. */
export function parseNotifyRequest(cursor: Cursor, mailbox: () => string): NotifyRequest {
  cursor.space();
  const word = cursor.keyword();
  if (word === "NONE") {
    cursor.end();
    return { status: false, selected: undefined, groups: [], unknown: [] };
  }
  if (word !== "SET") throw new GrammarError("NOTIFY is SET or NONE");
  cursor.space();
  let status = false;
  if (!cursor.sees("(")) {
    if (cursor.keyword() !== "STATUS") cursor.fail("STATUS or an event group");
    status = true;
    cursor.space();
  }
  let selected: SelectedGroup | undefined;
  const groups: MailboxGroup[] = [];
  const unknown: string[] = [];
  do {
    const group = parseGroup(cursor, mailbox, unknown);
    if ("immediate" in group) {
      if (selected) throw new GrammarError("the selected mailbox is named twice");
      selected = group;
    } else groups.push(group);
    if (groups.length > MAX_GROUPS) throw new GrammarError("too many event groups");
  } while (cursor.take(" "));
  cursor.end();
  return { status, selected, groups, unknown };
}

function parseGroup(cursor: Cursor, mailbox: () => string, unknown: string[]): SelectedGroup | MailboxGroup {
  cursor.expect("(");
  const filter = cursor.keyword();
  const selected = filter === "SELECTED" || filter === "SELECTED-DELAYED";
  const plain = WITHOUT_NAMES.find((name) => name === filter);
  const named = WITH_NAMES.find((name) => name === filter);
  if (!selected && !plain && !named) throw new GrammarError(`there is no filter ${filter.slice(0, 40)}`);
  cursor.space();
  let names: string[] = [];
  if (named) {
    names = cursor.sees("(") ? cursor.list(mailbox) : [mailbox()];
    if (names.length === 0 || names.length > MAX_NAMES) throw new GrammarError("some mailboxes are named");
    cursor.space();
  }
  const { events, items } = parseEvents(cursor, unknown);
  cursor.expect(")");
  if (selected) {
    for (const event of events) {
      if (!MESSAGE_EVENTS.has(event)) {
        throw new GrammarError(`${EVENTS[event]} is no event of the selected mailbox`);
      }
    }
    return { immediate: filter === "SELECTED", events, items };
  }
  if (items.length > 0)
    throw new GrammarError("FETCH items go with the selected mailbox (RFC 5465 section 5.1)");
  return { filter: (plain ?? named)!, names, events };
}

function parseEvents(
  cursor: Cursor,
  unknown: string[],
): { readonly events: ReadonlySet<NotifyEvent>; readonly items: readonly FetchItem[] } {
  const events = new Set<NotifyEvent>();
  let items: readonly FetchItem[] = [];
  if (!cursor.sees("(")) {
    if (cursor.keyword() !== "NONE") cursor.fail("events or NONE");
    return { events, items };
  }
  cursor.list(() => {
    const name = cursor.keyword();
    if (Object.hasOwn(EVENTS, name)) events.add(name as NotifyEvent);
    else unknown.push(name);
    if (name !== "MESSAGENEW") return;
    const at = cursor.at;
    if (cursor.take(" ") && cursor.sees("(")) items = parseFetchItems(cursor);
    else cursor.at = at;
  });
  if (events.size === 0 && unknown.length === 0) throw new GrammarError("without events it is NONE");
  // RFC 5465 §5: counts mean something only when both are told, and flags only with them.
  if (events.has("MESSAGENEW") !== events.has("MESSAGEEXPUNGE")) {
    throw new GrammarError("MessageNew and MessageExpunge go together (RFC 5465 section 5)");
  }
  if (events.has("FLAGCHANGE") && !events.has("MESSAGENEW")) {
    throw new GrammarError("FlagChange goes with MessageNew and MessageExpunge (RFC 5465 section 5)");
  }
  return { events, items };
}
