/** Macros (SMFIC_MACRO): what a milter is told beside the dialogue, by Sendmail's names and as Postfix fills them in. */
import { domainOf } from "../../../message/address.ts";
import type { InboundMessage } from "../../pipeline.ts";
import type { MacroStage } from "./negotiation.ts";
import { nulEnded, packet } from "./packets.ts";

/** What is known of a message when a milter is asked. */
export interface MacroFacts {
  readonly message: InboundMessage;
  readonly hostname: string;
  /** The client's name that leads back to its address, or its address in brackets. */
  readonly clientName: string;
  /** Of the RCPT in hand. */
  readonly recipient?: string;
}

const mailer = (address: string) => (address === "" ? "" : "smtp");
const values: Readonly<Record<string, (facts: MacroFacts) => string | undefined>> = {
  j: ({ hostname }) => hostname,
  v: () => "mailkeep",
  i: ({ message }) => message.id,
  _: ({ clientName, message }) => `${clientName} [${message.client.address}]`,
  "{daemon_name}": ({ hostname, message }) => (message.account === undefined ? hostname : "ORIGINATING"),
  "{daemon_addr}": () => undefined,
  "{if_name}": ({ hostname }) => hostname,
  "{client_addr}": ({ message }) => message.client.address,
  "{client_name}": ({ clientName }) => clientName,
  "{client_ptr}": ({ clientName }) => clientName,
  "{client_port}": ({ message }) => String(message.client.port),
  "{client_resolve}": ({ clientName }) => (clientName.startsWith("[") ? "FAIL" : "OK"),
  "{tls_version}": ({ message }) => (message.client.secure ? "TLS" : undefined),
  "{auth_authen}": ({ message }) => message.account,
  "{auth_type}": ({ message }) => (message.account === undefined ? undefined : "PLAIN"),
  "{mail_addr}": ({ message }) => message.from,
  "{mail_host}": ({ message }) => (message.from.includes("@") ? domainOf(message.from) : ""),
  "{mail_mailer}": ({ message }) => mailer(message.from),
  "{rcpt_addr}": ({ recipient }) => recipient,
  "{rcpt_host}": ({ recipient }) => (recipient?.includes("@") ? domainOf(recipient) : undefined),
  "{rcpt_mailer}": ({ recipient }) => (recipient === undefined ? undefined : mailer(recipient)),
};

/** What each step is told where the milter does not ask for others. */
const usual: Readonly<Record<MacroStage, readonly string[]>> = {
  C: [
    "j",
    "_",
    "{daemon_name}",
    "{if_name}",
    "v",
    "{client_addr}",
    "{client_name}",
    "{client_port}",
    "{client_ptr}",
  ],
  H: ["{tls_version}"],
  M: [
    "i",
    "{auth_type}",
    "{auth_authen}",
    "{client_addr}",
    "{client_name}",
    "{mail_addr}",
    "{mail_host}",
    "{mail_mailer}",
  ],
  R: ["i", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"],
  T: ["i"],
  N: ["i"],
  E: ["i"],
};

/** The packet that goes before a step; undefined where there is nothing to tell. */
export function macroPacket(
  stage: MacroStage,
  asked: ReadonlyMap<MacroStage, readonly string[]>,
  facts: MacroFacts,
): Buffer | undefined {
  const pairs = (asked.get(stage) ?? usual[stage]).flatMap((name) => {
    // A name of several letters is written in braces, and asked for with or without them.
    const known = values[name] === undefined && name.length > 1 ? `{${name}}` : name;
    const value = values[known]?.(facts);
    return value === undefined ? [] : [nulEnded(known), nulEnded(value)];
  });
  return pairs.length === 0 ? undefined : packet("D", stage, ...pairs);
}
