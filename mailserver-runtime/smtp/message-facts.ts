/** What reception and submission both ask about a message and its transaction. */
import { type DeliveryLimits, deliveryLimits } from "../config/account-quota.ts";
import { formatAddress } from "../message/address.ts";
import { parseAddressList } from "../message/address-list.ts";
import { fieldValue, findFields, type Headers, MAX_HEADER_BYTES } from "../message/headers.ts";
import type { Envelope } from "../queue/queue.ts";
import { type Reply, replies } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";
import { transmissionType } from "./trace.ts";

/** What the header section alone decides. */
export function headerRefusal(session: Session, headers: Headers): Reply | undefined {
  // The section is too large when its last line does not end within what is read of one.
  const cut = headers.bytes.length >= MAX_HEADER_BYTES && headers.bytes.indexOf("\n", headers.end) === -1;
  if (cut) return replies.headerTooLarge;
  let hops = 0;
  for (const field of headers.fields) if (field.name === "received") hops++;
  return hops > session.limits.hops ? replies.loop : undefined;
}

/** What mail may make of the account, as it was when the transaction began. */
export function limitsOfAccount(transaction: Transaction, account: string): DeliveryLimits {
  return deliveryLimits(transaction.snapshot, account);
}

/** The addresses of the one From field; undefined when there is not exactly one field, or none in it. */
export function authorOf(headers: Headers): readonly string[] | undefined {
  const fields = findFields(headers, "from");
  const [field] = fields;
  if (field === undefined || fields.length > 1) return undefined;
  const addresses = parseAddressList(fieldValue(headers, field)).map(({ address }) => formatAddress(address));
  return addresses.length === 0 ? undefined : addresses;
}

/** The with-clause of this session's Received fields. */
export function protocolOf(session: Session, transaction: Transaction): string {
  return transmissionType({
    lmtp: session.mode === "lmtp",
    extended: session.extended,
    utf8: transaction.parameters.smtpUtf8 === true,
    tls: session.connection.tls !== undefined,
    authenticated: session.account !== undefined,
  });
}
/** What a transaction and its message say about the way on. */
export function envelopeOf(
  { from, parameters }: Transaction,
  headers: Headers,
): Omit<Envelope, "recipients"> {
  const { ret, envid, smtpUtf8, body, requireTls, holdRequest } = parameters;
  const way = requireTls ? { requireTls } : prefersDelivery(headers) ? { tlsOptional: true } : {};
  const release = holdRequest === undefined ? {} : { releaseRequest: holdRequest };
  return { from, ret, envid, smtpUtf8, body, ...way, ...release };
}
/** `TLS-Required: No` (RFC 8689 §3), which REQUIRETLS in the envelope overrules. */
function prefersDelivery(headers: Headers): boolean {
  const field = headers.fields.find(({ name }) => name === "tls-required");
  return field !== undefined && fieldValue(headers, field).trim().toLowerCase() === "no";
}

/** For the log: the message's own identifier, short and printable. */
export function messageIdOf(headers: Headers): string | undefined {
  const field = headers.fields.find(({ name }) => name === "message-id");
  return field === undefined ? undefined : fieldValue(headers, field).slice(0, 256);
}
