/**
 * One message's turn at one destination: reads it, sees whether the receiver is to have it now, sends it, and has each
 * result written down the moment it is known.
 *
 * Between a server's 2xx to the final dot and the record in the journal lies nothing that waits, so that a process that
 * dies has either not read the answer yet or has it on file.
 */
import { standardTimeouts } from "./client/session.ts";
import { opportunisticDemand } from "./client/tls-policy.ts";
import { readDeferral } from "./deferral.ts";
import { attempt, type DeliveryContext, type Held } from "./delivery.ts";
import { type Destination, destinationKey } from "./destination.ts";
import type { Lane } from "./lane.ts";
import type { Connection, Turn } from "./lanes.ts";
import { attemptHere } from "./local-attempt.ts";
import type { Entry, MessageIndex } from "./message-index.ts";
import { type MessageState, type RecipientState, type Result, wantsSmtpUtf8 } from "./message-state.ts";
import type { QueueOptions } from "./options.ts";
import { Passage, type PassageOptions } from "./passage.ts";
import type { QueueCounts } from "./queue-counts.ts";
import type { RestingSessions } from "./resting-sessions.ts";
import type { SourceAddresses } from "./source-addresses.ts";
import type { Spool } from "./spool.ts";

/** A shorter wait is waited for where the message is; for a longer one it goes back to the index. */
const SHORT_WAIT_MS = 20_000;

export interface SendingOptions extends PassageOptions {
  readonly queue: QueueOptions;
  readonly spool: Spool;
  readonly index: MessageIndex;
  readonly counts: QueueCounts;
  /** Ends what is under way. */
  readonly stop: AbortSignal;
  readonly sources: SourceAddresses;
  readonly sessions: RestingSessions;
  readonly destination: (state: MessageState, recipient: RecipientState) => Destination;
  /** Writes results down, before it returns. */
  readonly record: (entry: Entry, recipients: readonly RecipientState[], results: readonly Result[]) => void;
  /** Sends what a receiver is not to have today by the relay declared for it; false where there is none. */
  readonly overflow: (entry: Entry, lane: Lane<Entry>) => boolean;
}

/** @throws {QueueError} where the message cannot be read */
export async function sendOne(
  options: SendingOptions,
  entry: Entry,
  lane: Lane<Entry>,
  connection: Connection,
): Promise<Turn> {
  const { destination } = lane;
  if (entry.held || !options.index.has(entry)) return done;
  if (destination.kind === "local") return sendHere(options, entry, lane);
  const passage = new Passage(options, lane, connection);
  let arrived = false;
  let recipients: readonly RecipientState[] = [];
  try {
    const held = passage.ask();
    if (held !== undefined) return later(options, entry, lane, held);
    const state = await options.index.stateOf(entry);
    recipients = state === undefined ? [] : recipientsOf(options, entry, lane, state);
    for (const { index } of recipients) entry.underWay.add(index);
    if (state === undefined || recipients.length === 0) return done;
    const everyone = (result: Result) =>
      options.record(
        entry,
        recipients,
        recipients.map(() => result),
      );
    const resting = lane.unreachable(options.clock());
    if (resting !== undefined) {
      everyone({ ...resting, outcome: "temporary", replied: false });
      return done;
    }
    let tooFast: Result | undefined;
    const end = await attempt(
      destination,
      outgoing(options, state, recipients),
      recipients,
      connection.session,
      {
        ...(await context(options, entry.id, passage)),
        onResults: (places, results) => {
          // What the end of the queue broke off says nothing of the destination.
          if (options.stop.aborted && results.every(({ outcome }) => outcome === "temporary")) return;
          options.record(
            entry,
            places.map((place) => recipients[place]!),
            results,
          );
          arrived ||= results.some(({ outcome }) => outcome === "delivered");
          tooFast ??= results.find(saysTooFast);
        },
      },
    );
    connection.session = end.session;
    if (end.uncertain) options.counts.uncertain += 1;
    if (options.stop.aborted) return done;
    if (end.held !== undefined) return later(options, entry, lane, end.held);
    if (end.unreachable !== undefined) {
      const refused: Result = { ...end.unreachable, outcome: "temporary", replied: false };
      // Where other connections of ours are let in, this one was one too many and nothing is wrong with the message.
      if (saysTooFast(refused) && passage.isOneOfMany) return passage.crowded();
      everyone(refused);
      if (saysTooFast(refused)) passage.limited(refused.text);
      else lane.failed(options.clock(), end.unreachable);
    } else {
      lane.reached();
      if (tooFast !== undefined) passage.limited(tooFast.text);
      else if (end.session === undefined && !arrived) lane.pace.slowed();
      else passage.succeeded();
    }
    return done;
  } finally {
    for (const { index } of recipients) entry.underWay.delete(index);
    passage.end(arrived);
  }
}

const done: Turn = { kind: "done" };

const saysTooFast = ({ outcome, text }: Result): boolean =>
  outcome === "temporary" && readDeferral(text).kind === "rate";

/** The recipients that this destination is for, and that nobody is sending to. */
function recipientsOf(
  { destination }: SendingOptions,
  entry: Entry,
  lane: Lane<Entry>,
  state: MessageState,
): readonly RecipientState[] {
  return state.recipients.filter((recipient) => {
    if (recipient.status !== "waiting" || entry.underWay.has(recipient.index)) return false;
    const key = destinationKey(destination(state, recipient));
    const other = entry.redirected.get(key);
    return (other === undefined ? key : destinationKey(other)) === lane.key;
  });
}

/** What becomes of a message whose receiver is not to have it now. */
function later(options: SendingOptions, entry: Entry, lane: Lane<Entry>, held: Held): Turn {
  if (held.kind === "crowded") return held;
  if (held.until - options.clock() <= SHORT_WAIT_MS) return { kind: "pause", until: held.until };
  if (held.warmUp && options.overflow(entry, lane)) return done;
  if (entry.waits === undefined || held.until < entry.waits.until) entry.waits = held;
  return done;
}

async function sendHere(options: SendingOptions, entry: Entry, lane: Lane<Entry>): Promise<Turn> {
  const state = await options.index.stateOf(entry);
  const { local } = options.queue;
  if (state === undefined || local === undefined) return done;
  for (const recipient of recipientsOf(options, entry, lane, state)) {
    const content = options.spool.content(state.header);
    options.record(entry, [recipient], [await attemptHere(local, state, recipient, content)]);
  }
  return done;
}

function outgoing(
  { index, spool }: SendingOptions,
  { header }: MessageState,
  recipients: readonly RecipientState[],
) {
  const { from, ret, envid, requireTls } = header.envelope;
  return {
    from,
    ret,
    envid,
    requireTls,
    size: header.prefixSize + header.contentSize,
    eightBit: header.eightBit,
    smtpUtf8: wantsSmtpUtf8(header, recipients),
    chunks: () => index.freshBytes(header.id) ?? spool.chunks(header),
  };
}

async function context(
  { queue, stop, sources, sessions }: SendingOptions,
  id: string,
  passage: Passage,
): Promise<Omit<DeliveryContext, "onResults">> {
  const { resolver, isOurself, tlsDemand, relayDemand, onTls, ca, timeouts } = queue;
  const { hostname, delivery } = queue.settings();
  return {
    resolver,
    hostname,
    port: delivery.port,
    sources: await sources.choose(hostname, delivery),
    isOurself: isOurself ?? (() => false),
    tlsDemand: tlsDemand ?? (async () => opportunisticDemand),
    relayDemand: relayDemand ?? (async () => undefined),
    sessions,
    onTls,
    ca,
    timeouts: timeouts ?? standardTimeouts,
    signal: stop,
    admit: (targets) => passage.admit(targets),
    onHosts: (domain, targets, ms) => {
      const hosts = targets.map(({ host, address, port }) => `${host}[${address}]:${port}`).join(", ");
      queue.log.info({ event: "mx-lookup", id, domain, hosts, ms: Math.round(ms * 10) / 10 }, "hosts found");
    },
  };
}
