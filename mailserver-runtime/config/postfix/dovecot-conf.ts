/**
 * dovecot.cf: Dovecot's settings that a docker-mailserver install lays over its own. There is no Dovecot here, so each
 * setting and each block is named, with the place where its effect is to be had.
 */
import type { LineProblem } from "../dms/lines.ts";

export const DOVECOT_FILE = "dovecot.cf";

const instead: readonly (readonly [name: RegExp, sentence: string])[] = [
  [
    /^(?:protocols|service|listen|inet_listener|unix_listener)\b/,
    "where and what the server listens for is set by `listeners`",
  ],
  [/^(?:ssl|ssl_.*)\b/, "TLS is set by `tls.level` and the certificate's settings (SSL_TYPE and its kin)"],
  [
    /^(?:mail_location|mail_home|mail_path|mail_driver|mail_inbox_path|namespace|mailbox)\b/,
    "the Maildirs lie where docker-mailserver has them, and folders are made by clients",
  ],
  [/^(?:quota|quota_.*)\b/, "quotas are read of dovecot-quotas.cf, and the default is `mailbox.sizeLimit`"],
  [
    /^(?:passdb|userdb|auth_.*|auth|disable_plaintext_auth)\b/,
    "accounts are read of postfix-accounts.cf, and logins need TLS",
  ],
  [
    /^(?:haproxy_.*|login_trusted_networks)\b/,
    "proxies are named in `listeners`, each with its `proxyProtocol` addresses",
  ],
  [/^(?:log_path|mail_debug|auth_debug|log_.*|.*_debug)\b/, "how much the server says is set by `logLevel`"],
  [
    /^(?:mail_max_userip_connections|mail_.*_max_.*)\b/,
    "limits of clients are fixed, and offenders are banned by the settings of `ban`",
  ],
  [
    /^(?:recipient_delimiter|lda_.*|lmtp_.*)\b/,
    "delivery is this server's own; the delimiter is `routing.recipientDelimiter`",
  ],
];

/** A problem for each setting outside blocks, and one for each block. */
export function dovecotProblems(text: string): LineProblem[] {
  const problems: LineProblem[] = [];
  let depth = 0;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const entry = raw.replace(/(?:^|\s)#.*$/, "").trim();
    if (entry === "") continue;
    if (depth === 0 && entry !== "}") problems.push({ line: index + 1, reason: reasonOf(entry) });
    depth = Math.max(0, depth + count(entry, "{") - count(entry, "}"));
  }
  return problems;
}

function reasonOf(entry: string): string {
  const what = entry.includes("{") ? entry.slice(0, entry.indexOf("{")).trim() : entry.split("=")[0]!.trim();
  const sentence = instead.find(([name]) => name.test(what))?.[1];
  return sentence === undefined
    ? `"${what.slice(0, 80)}" has no equivalent here and is not applied; if its effect is missed, look for it in the settings reference, else delete it`
    : `"${what.slice(0, 80)}" is not applied: ${sentence}`;
}

const count = (text: string, character: string): number => text.split(character).length - 1;
