/**
 * Postfix's parameters, one a row: what a line of postfix-main.cf means here, or why it means nothing and what to do
 * instead. A parameter in neither table is named as one without an equivalent, so that no line is passed over in silence.
 */
import { aliasAddress, mailAddress, mailDomain } from "../address.ts";
import { parseRegexp } from "../dms/regexp.ts";
import { parseRelayHost, parseRelayLogins, parseRelaymap } from "../dms/relays.ts";
import { parseVirtual } from "../dms/virtual.ts";
import type { Origin } from "../snapshot.ts";
import type { EffectsBuilder } from "./builder.ts";
import { seconds } from "./time.ts";

/** What a row gets: the value with everything put in, where it stands, and where its effects go. */
export interface Occurrence {
  readonly value: string;
  readonly origin: Origin;
  readonly into: EffectsBuilder;
}
/** Throws an Error with what is wrong. */
type Take = (occurrence: Occurrence) => void;

const setting =
  (key: string, convert: (value: string) => unknown): Take =>
  ({ value, into }) =>
    into.setting(key, convert(value));

/** `only` values that say what is done here anyway; any other is refused with the sentence. */
const already =
  (values: readonly string[], otherwise: string): Take =>
  ({ value }) => {
    if (!values.includes(value.toLowerCase())) throw new Error(otherwise);
  };

const copies =
  (rule: "sender" | "recipient"): Take =>
  ({ value, origin, into }) => {
    for (const table of into.tables(value, origin)) {
      if (table.kind === "patterns") {
        into.copyPatterns(rule, table.file, parseRegexp(table.text));
        continue;
      }
      for (const { key, value: to, origin: at } of into.entriesOf(table, origin)) {
        if (key === undefined) into.copy("always", "", to, at);
        else into.copy(rule, key.includes("@") ? aliasAddress(key) : `@${mailDomain(key)}`, to, at);
      }
    }
  };

/** Parameters with an equivalent. */
export const parameters: Readonly<Record<string, Take>> = {
  myhostname: setting("hostname", (value) => value),
  message_size_limit: setting("message.sizeLimit", bytes),
  mailbox_size_limit: setting("mailbox.sizeLimit", bytes),
  virtual_mailbox_limit: setting("mailbox.sizeLimit", bytes),
  smtpd_recipient_limit: setting("message.recipientLimit", whole),
  recipient_delimiter: setting("routing.recipientDelimiter", (value) => value.replace(/\s/g, "")),
  maximal_queue_lifetime: setting("delivery.lifetimeSeconds", (value) => seconds(value, "d")),
  delay_warning_time: setting("delivery.warnAfterSeconds", (value) => seconds(value, "h")),
  minimal_backoff_time: ({ value, into }) => into.backoff("least", seconds(value, "s")),
  maximal_backoff_time: ({ value, into }) => into.backoff("most", seconds(value, "s")),
  smtp_bind_address: ({ value, into }) => into.localAddress(value),
  smtp_bind_address6: ({ value, into }) => into.localAddress(value),
  relayhost({ value, into }) {
    if (value === "") return;
    parseRelayHost(value);
    into.setting("relay.defaultHost", value);
  },
  smtp_tls_wrappermode: ({ value, into }) => {
    if (value === "yes") into.setting("relay.tls", "implicit");
  },
  smtp_tls_security_level({ value, into }) {
    if (["may", "dane"].includes(value)) return;
    if (["encrypt", "verify", "secure"].includes(value)) {
      into.relayTls("starttls");
      throw new Error(
        `"${value}" is applied to relayhost, whose certificate is checked, and to no other host: mail to an MX goes over TLS where the MX offers it, and by DANE and MTA-STS`,
      );
    }
    throw new Error(`"${value}" is not applied: mail goes over TLS wherever the other host offers it`);
  },
  smtp_sasl_auth_enable: already(
    ["yes"],
    "logins are used wherever one is written for a relay; delete its line",
  ),
  smtp_sender_dependent_authentication: already(["yes"], "logins are always looked up by sender first"),
  smtp_sasl_security_options: already(
    ["", "noanonymous", "noplaintext, noanonymous", "noanonymous, noplaintext"],
    "no anonymous login is made, and no password is sent without TLS, whatever this says",
  ),
  smtp_sasl_tls_security_options: already(["", "noanonymous"], "PLAIN and LOGIN over TLS are used"),
  smtp_sasl_mechanism_filter: already(
    ["plain", "login", "plain, login", "login, plain"],
    "PLAIN and LOGIN are used",
  ),
  smtp_sasl_password_maps({ value, origin, into }) {
    for (const table of into.tables(value, origin)) {
      if (table.kind === "text") into.logins(table.file, parseRelayLogins(table.text));
      else if (table.kind === "static") into.loginForRelayhost(table.value, origin);
      else throw new Error("logins are read of a texthash: file or a static: value");
    }
  },
  sender_dependent_relayhost_maps({ value, origin, into }) {
    for (const table of into.tables(value, origin)) {
      if (table.kind !== "text") throw new Error("relays by sender are read of a texthash: file");
      into.relays(table.file, parseRelaymap(table.text));
    }
  },
  transport_maps({ value, origin, into }) {
    for (const { key, value: to, origin: at } of into.entries(value, origin)) into.transport(key, to, at);
  },
  virtual_alias_maps({ value, origin, into }) {
    for (const table of into.tables(value, origin)) {
      if (table.kind === "text") into.aliases(table.file, parseVirtual(table.text));
      else if (table.kind === "patterns") into.patterns(table.file, parseRegexp(table.text));
      else if (table.kind === "inline")
        into.aliases(
          origin.file,
          parseVirtual(table.entries.map((entry) => entry.join(" ")).join("\n")),
          origin.line,
        );
      else throw new Error("aliases are read of texthash:, pcre: and inline: tables");
    }
  },
  always_bcc({ value, origin, into }) {
    if (value !== "") into.copy("always", "", mailAddress(value), origin);
  },
  sender_bcc_maps: copies("sender"),
  recipient_bcc_maps: copies("recipient"),
  relay_domains({ value, origin, into }) {
    for (const domain of value.split(/[\s,]+/))
      if (domain !== "" && domain !== "$mydestination") into.backup(mailDomain(domain), origin);
  },
  relay_recipient_maps({ value, origin, into }) {
    for (const { key } of into.entries(value, origin))
      if (key !== undefined) into.backupRecipient(aliasAddress(key));
  },
};

/** Parameters without an equivalent, by name or family: the sentence says why, and what to do. */
export const withoutEquivalent: readonly (readonly [name: RegExp, sentence: string])[] = [
  [
    /^(?:mynetworks|mynetworks_style)$/,
    "no network is trusted: relaying needs a login, whatever the client's address. Let the client log in at port 587 or 465",
  ],
  [
    /^smtpd_.*_restrictions$/,
    "who may send what to whom is decided by fixed rules (login, access lists, routing); refuse single addresses in postfix-send-access.cf and postfix-receive-access.cf",
  ],
  [
    /milter/,
    "the milters of docker-mailserver are checks of this server; name another one in the settings of the filter",
  ],
  [
    /^(?:postscreen|dnsblog)_/,
    "there is no postscreen; clients are looked at by `greeting.delayMs`, the filter and `ban`",
  ],
  [
    /^(?:smtpd_tls_|tls_|smtpd_use_tls)/,
    "TLS of the ports is set by `tls.level` and the certificate's settings (SSL_TYPE and its kin)",
  ],
  [
    /^smtp_tls_|^smtp_use_tls$/,
    "TLS to other hosts is set by their own policies (DANE, MTA-STS) and by each relay's declaration",
  ],
  [
    /^(?:smtpd_sasl_|broken_sasl_auth_clients|cyrus_sasl)/,
    "logins are checked by this server itself, over TLS only; there is nothing to set",
  ],
  [
    /^smtpd_sender_login_maps$/,
    "whose address is whose follows from accounts and aliases; `submission.spoofProtection` switches the check",
  ],
  [
    /^(?:header_checks|body_checks|mime_header_checks|nested_header_checks|smtp_header_checks)$/,
    "write the patterns as rules into spamassassin-rules.cf",
  ],
  [
    /^(?:smtpd_client_.*(?:rate|count)_limit|smtpd_(?:error|hard|soft).*|anvil_.*)$/,
    "limits of clients are fixed, and offenders are banned by the settings of `ban`",
  ],
  [/^smtpd_banner$/, "the banner is the host's name and says nothing else"],
  [
    /^(?:inet_interfaces|inet_protocols|smtpd_upstream_proxy_protocol)$/,
    "where the server listens is set by `listeners`",
  ],
  [
    /^(?:mydestination|virtual_alias_domains|virtual_mailbox_domains|virtual_mailbox_maps|local_recipient_maps)$/,
    "a domain is hosted when an account or an alias is in it, or when it is declared; add one",
  ],
  [/^(?:alias_maps|alias_database)$/, "aliases of the machine's users are read of postfix-aliases.cf"],
  [
    /^(?:canonical_maps|sender_canonical_maps|recipient_canonical_maps|smtp_generic_maps|masquerade_.*|sender_canonical_classes|recipient_canonical_classes)$/,
    "addresses in messages are never rewritten, since that breaks their signatures",
  ],
  [
    /^(?:content_filter|smtpd_proxy_filter|receive_override_options)$/,
    "mail is filtered by this server itself; there is nothing to hand it to",
  ],
  [
    /^(?:mailbox_command|mailbox_transport|virtual_transport|local_transport|fallback_transport|default_transport|relay_transport)/,
    "mail for accounts goes into their Maildirs here, and other mail through the queue",
  ],
  [
    /^(?:compatibility_level|biff|readme_directory|html_directory|manpage_directory|sample_directory|command_directory|daemon_directory|data_directory|queue_directory|mail_owner|setgid_group|append_dot_mydomain|append_at_myorigin|myorigin|mydomain|disable_vrfy_command|smtpd_helo_required|strict_rfc821_envelopes|maillog_file|syslog_.*|debug_.*)$/,
    "it is about Postfix's own programs; delete the line",
  ],
];

/** For what is in neither table. */
export const unknownParameter =
  "has no equivalent here and is not applied; if its effect is missed, look for it in the settings reference, else delete the line";

function bytes(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new Error(`"${value}" is no number of bytes`);
  return Number(value);
}
function whole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new Error(`"${value}" is no whole number`);
  return Number(value);
}
