/**
 * One message's turn at one destination: reads it, sends it, and has each result written down the moment it is known.
 *
 * Between a server's 2xx to the final dot and the record in the journal lies nothing that waits, so that a process that
 * dies has either not read the answer yet or has it on file.
 */
import type { SmtpSession } from "./client/session.ts";
import { standardTimeouts } from "./client/session.ts";
import { opportunisticDemand } from "./client/tls-policy.ts";
import { attempt, type DeliveryContext } from "./delivery.ts";
import { type Destination, destinationKey } from "./destination.ts";
import type { Lane } from "./lane.ts";
import { attemptHere } from "./local-attempt.ts";
import type { Entry, MessageIndex } from "./message-index.ts";
import { type MessageState, type RecipientState, type Result, wantsSmtpUtf8 } from "./message-state.ts";
import type { QueueOptions } from "./options.ts";
import type { QueueCounts } from "./queue-counts.ts";
import type { Spool } from "./spool.ts";

export interface SendingOptions {
  readonly queue: QueueOptions;
  readonly spool: Spool;
  readonly index: MessageIndex;
  readonly counts: QueueCounts;
  readonly clock: () => number;
  /** Ends what is under way. */
  readonly stop: AbortSignal;
  readonly destination: (state: MessageState, recipient: RecipientState) => Destination;
  /** Writes results down, before it returns. */
  readonly record: (entry: Entry, recipients: readonly RecipientState[], results: readonly Result[]) => void;
}

/** Gives the connection back when it can be used again. @throws {QueueError} where the message cannot be read */
export async function sendOne(
  options: SendingOptions,
  entry: Entry,
  lane: Lane<Entry>,
  open: SmtpSession | undefined,
): Promise<SmtpSession | undefined> {
  const { index, clock, stop, record, spool, counts } = options;
  const state = entry.held || !index.has(entry) ? undefined : await index.stateOf(entry);
  if (state === undefined) return open;
  const recipients = state.recipients.filter(
    (recipient) =>
      recipient.status === "waiting" && destinationKey(options.destination(state, recipient)) === lane.key,
  );
  if (recipients.length === 0) return open;
  const { destination } = lane;
  if (destination.kind === "local") {
    const { local } = options.queue;
    for (const recipient of local === undefined ? [] : recipients)
      record(entry, [recipient], [await attemptHere(local!, state, recipient, spool.content(state.header))]);
    return open;
  }
  const resting = lane.unreachable(clock());
  if (resting !== undefined) {
    const result: Result = { ...resting, outcome: "temporary", replied: false };
    record(
      entry,
      recipients,
      recipients.map(() => result),
    );
    return open;
  }
  const done = await attempt(destination, outgoing(options, state, recipients), recipients, open, {
    ...context(options, entry.id),
    onResults: (places, results) => {
      // What the end of the queue broke off says nothing of the destination.
      if (stop.aborted && results.every(({ outcome }) => outcome === "temporary")) return;
      record(
        entry,
        places.map((place) => recipients[place]!),
        results,
      );
    },
  });
  if (done.uncertain) counts.uncertain += 1;
  if (stop.aborted) return done.session;
  if (done.unreachable !== undefined) lane.failed(clock(), done.unreachable);
  else if (done.session === undefined) lane.slowed();
  else lane.succeeded();
  return done.session;
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

function context({ queue, stop }: SendingOptions, id: string): Omit<DeliveryContext, "onResults"> {
  const { resolver, isOurself, tlsDemand, onTls, ca, timeouts } = queue;
  const { hostname, delivery } = queue.settings();
  return {
    resolver,
    hostname,
    port: delivery.port,
    localAddresses: delivery.addresses,
    isOurself: isOurself ?? (() => false),
    tlsDemand: tlsDemand ?? (async () => opportunisticDemand),
    onTls,
    ca,
    timeouts: timeouts ?? standardTimeouts,
    signal: stop,
    onHosts: (domain, targets, ms) => {
      const hosts = targets.map(({ host, address, port }) => `${host}[${address}]:${port}`).join(", ");
      queue.log.info({ event: "mx-lookup", id, domain, hosts, ms: Math.round(ms * 10) / 10 }, "hosts found");
    },
  };
}
