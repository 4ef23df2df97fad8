/**
 * docker-mailserver's variables about sending and receiving that set nothing here: what each would have done, and where its
 * purpose is met. One that is set to something else than what this server does anyway is told with its sentence.
 */

export interface UnsupportedVariable {
  readonly name: string;
  /** Values that ask for nothing but what is done anyway, docker-mailserver's default among them. */
  readonly harmless: RegExp;
  /** What to do instead, as the rest of a sentence about the variable. */
  readonly instead: string;
}

const row = (name: string, harmless: RegExp, instead: string): UnsupportedVariable => ({
  name,
  harmless,
  instead,
});

export const unsupportedVariables: readonly UnsupportedVariable[] = [
  row(
    "ENABLE_OPENDKIM",
    /^1$/,
    "mail is signed for every domain that has a key, and every signature is verified; remove a domain's keys to stop signing",
  ),
  row("ENABLE_OPENDMARC", /^1$/, "DMARC is always evaluated; allow a sender in `filter.allow`"),
  row("ENABLE_POLICYD_SPF", /^1$/, "SPF is always evaluated; it scores and refuses nothing by itself"),
  row("LOGROTATE_COUNT", /^4$/, "logs are rotated by the host's logrotate; SIGHUP opens the files anew"),
  row(
    "LOGROTATE_INTERVAL",
    /^weekly$/,
    "logs are rotated by the host's logrotate; SIGHUP opens the files anew",
  ),
  row("LOGWATCH_INTERVAL", /^none$/, "the log is JSON: `trace`, `metrics` and `setup fail2ban log` read it"),
  row("LOGWATCH_RECIPIENT", /^$/, "no log reports are sent"),
  row("LOGWATCH_SENDER", /^$/, "no log reports are sent"),
  row(
    "NETWORK_INTERFACE",
    /^eth0$/,
    "PERMIT_DOCKER looks at all interfaces of the machine, the first address first",
  ),
  row("PFLOGSUMM_RECIPIENT", /^$/, "no log reports are sent"),
  row("PFLOGSUMM_SENDER", /^$/, "no log reports are sent"),
  row("PFLOGSUMM_TRIGGER", /^none$/, "the figures of the queue are in `metrics`"),
  row(
    "POSTFIX_DAGENT",
    /^$/,
    "mail for accounts goes into their Maildirs here; to hand a domain's mail to another host, declare a relay for it",
  ),
  row(
    "POSTFIX_INET_PROTOCOLS",
    /^all$/,
    "where the server listens is set by `listeners` (an IPv4 address: IPv4 alone), and how it sends by `delivery.ipv6`",
  ),
  row(
    "POSTSCREEN_ACTION",
    /^enforce$/,
    "there is no postscreen: who talks first is refused where `greeting.delayMs` waits for it, and offenders are banned (`ban`)",
  ),
  row("REPORT_RECIPIENT", /^$/, "no log reports are sent; alerts go to `postmasterAddress`"),
  row("REPORT_SENDER", /^$/, "no log reports are sent"),
  row(
    "SRS_SENDER_CLASSES",
    /^envelope_sender$/,
    "only the envelope's sender is rewritten; rewriting the header would break its signature",
  ),
  row("SMTP_ONLY", /^0$/, "leave the IMAP listeners out of `listeners`"),
  row("SUPERVISOR_LOGLEVEL", /^warn$/, "there is no supervisor; `logLevel` says how much the server says"),
  row("UPDATE_CHECK_INTERVAL", /^1d$/, "the server asks nobody for updates"),
  row("ENABLE_UPDATE_CHECK", /^[01]$/, "the server asks nobody for updates"),
];

/** What the variables of an environment ask for in vain. */
export function unsupportedSettings(
  env: Readonly<Record<string, string | undefined>>,
): readonly { readonly variable: string; readonly reason: string }[] {
  return unsupportedVariables.flatMap(({ name, harmless, instead }) => {
    const value = env[name];
    return value === undefined || value === "" || harmless.test(value)
      ? []
      : [{ variable: name, reason: `"${value.slice(0, 100)}" has no effect: ${instead}` }];
  });
}
