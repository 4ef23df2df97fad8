/**
 * What a process does for its clients: each protocol, spoken over a connection that somebody accepted.
 *
 * The filter, the signer and the sessions are a process's own. What must exist once in the whole server comes in as
 * `SharedDuties`: the first process gives its rooms themselves, a worker gives what asks the first process.
 */
import type { Authenticator } from "./auth/authenticator.ts";
import type { Offend } from "./ban/offence.ts";
import { accountQuota, domainCeiling } from "./config/account-quota.ts";
import { groupsOf } from "./config/groups.ts";
import { openDmarcCounter } from "./dmarc-report/dmarc-report.ts";
import { iprev, mxHosts } from "./dns/mail-lookups.ts";
import { type Classifier, openClassifier } from "./filter/bayes/classifier.ts";
import { correspondentsCheck } from "./filter/checks/correspondents.ts";
import { dnsListsCheck } from "./filter/checks/dns-lists.ts";
import { volumeCheck } from "./filter/checks/volume.ts";
import { openDnsLists } from "./filter/dns-lists/dns-lists.ts";
import { createEngineChecks } from "./filter/engines/engine-checks.ts";
import type { Asked } from "./filter/engines/engine-tally.ts";
import { createSubmittedFilter } from "./filter/engines/submitted-filter.ts";
import { checks, createInboundFilter } from "./filter/inbound-filter.ts";
import type { InboundFilter } from "./filter/pipeline.ts";
import { loadRules } from "./filter/rules/load-rules.ts";
import { createSigner } from "./filter/signer.ts";
import type { Foundation } from "./foundation.ts";
import { loadExemptions } from "./greylist/exemptions.ts";
import type { GreylistAnswer, GreylistQuestion } from "./greylist/greylist.ts";
import { createGreylisting } from "./greylist/greylisting.ts";
import { sayBye, serveImap } from "./imap/serve.ts";
import type { ImapDependencies } from "./imap/session.ts";
import { openCollector } from "./learning/collector.ts";
import { clearSpool } from "./message/spooled-content.ts";
import type { Connection } from "./net/connection.ts";
import { openQuarantine, type Quarantine } from "./quarantine/quarantine.ts";
import type { OutboundQueue, QueueSubmission } from "./queue/queue.ts";
import { openReceivedReports } from "./received-reports/received-reports.ts";
import { senderRefusal } from "./routing/access.ts";
import { trustedClients } from "./routing/trusted-networks.ts";
import type { Protocol } from "./settings/schema.ts";
import type { SessionState } from "./smtp/moving.ts";
import { connectionRefusal, serveSmtp } from "./smtp/serve.ts";
import type { SmtpServices } from "./smtp/services.ts";
import type { SmtpMode } from "./smtp/session.ts";
import type { SubmissionLimiter } from "./smtp/submission-limits/limiter.ts";
import type { MailStore } from "./store/mail-store.ts";
import type { Resume } from "./workers/member.ts";
import type { CutOff, RelayedProtocol } from "./workers/session-relay.ts";

/** What exists once in a server, as a session asks it. */
export interface SharedDuties {
  readonly store: MailStore;
  readonly queue: Pick<OutboundQueue, "enqueue" | "prepare">;
  readonly authenticator: Authenticator;
  readonly offend: Offend;
  readonly limiter: Pick<SubmissionLimiter, "admit" | "giveBack">;
  /** Who has written to whom (`greylist/greylist.ts`). */
  readonly greylist: {
    ask(question: GreylistQuestion): Promise<GreylistAnswer>;
    knows(question: GreylistQuestion): Promise<boolean>;
  };
  /** Takes mail that this server makes itself (`reentry.ts`). */
  readonly reenter: (submission: QueueSubmission) => Promise<unknown>;
  /** Whether an account has written to an address (filter/checks/correspondents.ts). */
  readonly hasMet: (account: string, address: string) => Promise<boolean>;
  /** Hears how each question to an engine ended, for the metrics. */
  readonly engineAsked: (asked: Asked) => void;
  /** Mail of this domain leaves unsigned. */
  readonly unsigned: (domain: string) => void;
  /** Where a session is served whose account another process has; undefined: here. See `workers/member.ts`. */
  readonly elsewhere: (
    protocol: RelayedProtocol,
    account: string,
    connection: Connection,
    cutOff: CutOff,
  ) => Promise<(() => Promise<void>) | undefined>;
}
export interface ServingOptions {
  /** Gives plain SMTP sessions to processes with less to do. */
  readonly move?: SmtpServices["move"];
  /** Where messages lie while they arrive; this process's own, emptied at its start. */
  readonly spoolDirectory: string;
}
export interface Serving {
  /** How each protocol is served; what is missing here is not built. */
  readonly serve: Partial<Readonly<Record<Protocol, (connection: Connection) => Promise<void>>>>;
  /** Goes on with a mail session that began in another process. */
  readonly continueSmtp: (connection: Connection, protocol: Protocol, state: SessionState) => Promise<void>;
  /** How a session is served that logged in at another process. */
  readonly resume: Partial<Readonly<Record<RelayedProtocol, Resume>>>;
  /** This process's way to what has been learnt, and to what is kept from its recipients. */
  readonly classifier: Classifier;
  readonly quarantine: Quarantine;
  /** The filter as mail meets it, but nothing is counted. */
  readonly filter: InboundFilter;
  /** A protocol's words to a client over a limit. */
  readonly refusals: Partial<Readonly<Record<Protocol, string>>>;
  /** Waits for what the classifier is writing. */
  close(): Promise<void>;
}

/** How long a client may wait at MAIL for what the DNS says about it and its domain. */
const LOOK_UP_MS = 3000;

const modeOf: Partial<Readonly<Record<Protocol, SmtpMode>>> = {
  smtp: "mx",
  submission: "submission",
  submissions: "submission",
  lmtp: "lmtp",
};

/** Opens what a process needs of its own, and puts it together with what is shared. */
export async function openServing(
  foundation: Foundation,
  shared: SharedDuties,
  options: ServingOptions,
): Promise<Serving> {
  const { directories, log, snapshot, settings, srs, tls } = foundation;
  const { store, queue, authenticator, offend, limiter, reenter } = shared;
  const spool = { directory: options.spoolDirectory };
  await clearSpool(spool.directory);
  const classifier = openClassifier({ directory: `${directories.state}/classifier`, log });
  const quarantine = openQuarantine({
    directory: `${directories.state}/quarantine`,
    limits: () => settings().quarantine,
    log,
  });
  const rules = await loadRules(`${directories.config}/spamassassin-rules.cf`, log);
  const dmarc = openDmarcCounter({
    directory: `${directories.state}/dmarc-report`,
    enabled: () => settings().reports.dmarc,
    log,
  });
  const received = openReceivedReports({
    directory: `${directories.state}/received-reports`,
    addresses: () => settings().reports.addresses,
    isOurs: (domain) => snapshot().domain(domain) !== undefined,
    log,
  });
  let exemptions = await loadExemptions(directories.config, log);
  foundation.configuration.onChange(() => {
    loadExemptions(directories.config, log).then(
      (read) => {
        exemptions = read;
      },
      (error: unknown) => log.error({ event: "exemptions-not-read", error: String(error) }),
    );
  });
  const collector = openCollector({
    directory: `${directories.state}/learning`,
    store,
    enabled: () => settings().filter.learn,
    log,
  });
  const offersTls = tls.status().length > 0;

  const dnsLists = openDnsLists({ settings: () => settings().filter, resolver: foundation.resolver, log });
  const engines = createEngineChecks({
    settings: () => settings().engines,
    spool,
    asked: shared.engineAsked,
  });
  const accountsOf = (address: string): readonly string[] =>
    foundation
      .routeRecipient(snapshot(), address)
      .flatMap((route) => (route.kind === "local" ? [route.account] : []));
  const judging = {
    hostname: () => settings().hostname,
    resolver: foundation.resolver,
    checks: [
      ...checks,
      volumeCheck(),
      correspondentsCheck({ accountsOf, hasMet: shared.hasMet }),
      dnsListsCheck(dnsLists),
    ],
    policy: () => settings().filter,
    classifier,
    rules: () => rules,
    engines: engines.incoming,
    log,
  };
  const services: SmtpServices = {
    snapshot,
    routeRecipient: foundation.routeRecipient,
    forwardSender: (at, reversePath) =>
      at.settings.srs.enabled ? srs(at).forward(reversePath) : reversePath,
    senderRefusal,
    async isConfirmed(address) {
      const signal = AbortSignal.timeout(LOOK_UP_MS);
      const { status } = await iprev(foundation.resolver, address, { signal });
      return status === "temperror" ? undefined : status === "pass";
    },
    takesNoMail: async (domain) => {
      const signal = AbortSignal.timeout(LOOK_UP_MS);
      return (await mxHosts(foundation.resolver, domain, { signal })).status === "null-mx";
    },
    trusts: trustedClients(settings),
    store,
    queue,
    filter: createInboundFilter({ ...judging, observers: [dmarc.observe, received.observe] }),
    submittedFilter: createSubmittedFilter(judging, engines),
    quarantine,
    greylisting: createGreylisting({
      settings,
      resolver: foundation.resolver,
      exemptions: () => exemptions,
      ask: shared.greylist.ask,
      knows: shared.greylist.knows,
    }),
    signer: createSigner(snapshot, log, shared.unsigned),
    authenticator,
    sasl: foundation.sasl,
    offersTls,
    deliversDirectly: (senderDomain, route) =>
      settings().submission.hostedDomains === "direct" || route.account.endsWith(`@${senderDomain}`),
    offend,
    limiter,
    reenter,
    hasRoomFor: foundation.freeSpace.hasRoomFor,
    ...(options.move === undefined ? {} : { move: options.move }),
    spool,
    log,
  };
  const smtp = (mode: SmtpMode) => (connection: Connection) => serveSmtp(connection, { ...services, mode });
  const imap = (): ImapDependencies => ({
    store,
    authenticator,
    sasl: foundation.sasl,
    hostname: settings().hostname,
    log,
    startTls: offersTls,
    limits: { message: settings().message.sizeLimit },
    spool,
    ...(settings().mailbox.quotas && {
      quota: (account: string) => ({ bytes: accountQuota(snapshot(), account) }),
      domainQuota: (account: string) =>
        domainCeiling(snapshot(), account.slice(account.lastIndexOf("@") + 1)),
    }),
    isActive: (account) => snapshot().account(account)?.enabled === true,
    groupsOf: (account) => groupsOf(snapshot().settings, account),
    offend,
    onSorted: collector.sorted,
    hasRoomFor: foundation.freeSpace.hasRoomFor,
    elsewhere: (account, connection) => shared.elsewhere("imap", account, connection, sayBye),
  });
  const serveImapClient = (connection: Connection) => serveImap(connection, imap());
  return {
    serve: {
      smtp: smtp("mx"),
      submission: smtp("submission"),
      submissions: smtp("submission"),
      lmtp: smtp("lmtp"),
      imap: serveImapClient,
      imaps: serveImapClient,
    },
    continueSmtp: (connection, protocol, state) =>
      serveSmtp(connection, { ...services, mode: modeOf[protocol] ?? "mx" }, state),
    resume: {
      async imap(account, { compressed }) {
        const loggedIn = { account: await store.account(account) };
        return (connection) => serveImap(connection, { ...imap(), onCompressed: compressed }, loggedIn);
      },
    },
    classifier,
    quarantine,
    filter: createInboundFilter(judging),
    refusals: { smtp: connectionRefusal },
    async close() {
      await collector.settled();
      await classifier.close();
      await Promise.all([dmarc.close(), received.close()]);
    },
  };
}
