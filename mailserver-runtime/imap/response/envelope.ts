/** ENVELOPE as bytes (RFC 9051 §7.5.2). */
import { type EnvelopeAddress, parseAddressList } from "../../message/mime/addresses.ts";
import { envelopeFields } from "../../message/mime/envelope.ts";
import type { Output } from "../output.ts";

/** Writes the parenthesized envelope of a header block. */
export function writeEnvelope(out: Output, header: Buffer): void {
  const fields = envelopeFields(header);
  const from = fields.from === undefined ? [] : parseAddressList(fields.from);
  const list = (value: string | undefined) => (value === undefined ? [] : parseAddressList(value));
  // Sender and Reply-To are From where they are missing or empty (RFC 9051 §7.5.2).
  const orFrom = (value: string | undefined) => {
    const addresses = list(value);
    return addresses.length > 0 ? addresses : from;
  };
  out.text("(");
  out.nstring(fields.date);
  out.text(" ");
  out.nstring(fields.subject);
  for (const addresses of [
    from,
    orFrom(fields.sender),
    orFrom(fields["reply-to"]),
    list(fields.to),
    list(fields.cc),
    list(fields.bcc),
  ]) {
    out.text(" ");
    writeAddresses(out, addresses);
  }
  out.text(" ");
  out.nstring(fields["in-reply-to"]);
  out.text(" ");
  out.nstring(fields["message-id"]);
  out.text(")");
}

function writeAddresses(out: Output, addresses: readonly EnvelopeAddress[]): void {
  if (addresses.length === 0) {
    out.text("NIL");
    return;
  }
  out.text("(");
  for (const { name, route, mailbox, host } of addresses) {
    out.text("(");
    out.nstring(name);
    out.text(" ");
    out.nstring(route);
    out.text(" ");
    out.nstring(mailbox);
    out.text(" ");
    out.nstring(host);
    out.text(")");
  }
  out.text(")");
}
