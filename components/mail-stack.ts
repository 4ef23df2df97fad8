/**
 * MailStack: everything a mail host needs, from one typed argument. It only wires: what is declared follows from
 * `stack-plan.ts` and `stack-records.ts`, which are functions; what happens on the host is the provider's.
 *
 * The order is that of the things themselves: directories; keys, certificate, settings; zones, which publish the keys; the
 * server; then its domains, mailboxes and aliases. The server is healthy without any account.
 */
import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import type { DeclaredIssuer } from "../mailserver-runtime/settings/certificate-issuer.ts";
import type { SettingsInput } from "../mailserver-runtime/settings/schema.ts";
import { Alias } from "./accounts/alias.ts";
import { DkimKeys } from "./accounts/dkim-keys.ts";
import { Domain } from "./accounts/domain.ts";
import { localPasswords, secretsFile } from "./accounts/local-passwords.ts";
import { Mailbox } from "./accounts/mailbox.ts";
import { Relay } from "./accounts/relay.ts";
import { Certificate } from "./certificate/certificate.ts";
import { IssuedCertificate } from "./certificate/issued-certificate.ts";
import { DnsCheck } from "./dns/dns-check.ts";
import { PlanError } from "./dns/plan.ts";
import type { LeftOut } from "./dns/plan-types.ts";
import { keysToCome, type PublishedStack, publish, recordsOf } from "./dns/publish.ts";
import { declareHost } from "./host/declared-host.ts";
import { Server } from "./mail-server/server.ts";
import { Settings } from "./mail-server/settings.ts";
import type { HostAddresses, HostArgs, MailStackArgs } from "./mail-stack-args.ts";
import { StackMistakes } from "./mistakes.ts";
import { type Endpoint, isHost, planStack, type StackPlan } from "./stack-plan.ts";
import {
  type DomainKeys,
  LOOPBACK,
  leftOut,
  mtaStsPolicies,
  type RecordOptions,
  recordsToShow,
  type ShownRecords,
  stackRecords,
} from "./stack-records.ts";

/**
 * A mail host with its domains and mailboxes.
 *
 * ```ts
 * const mail = new MailStack("mail", {
 *   domains: ["example.org"],
 *   mailboxes: ["anna@example.org"],
 *   aliases: { "info@example.org": "anna@example.org" },
 *   host: { type: "local" },
 * });
 * export const endpoints = mail.endpoints;
 * ```
 */
export class MailStack extends pulumi.ComponentResource {
  /** The mail host's full name. */
  readonly hostname: pulumi.Output<string>;
  /** Where clients connect. */
  readonly endpoints: pulumi.Output<readonly Endpoint[]>;
  /** The addresses one can log in with. */
  readonly logins: pulumi.Output<readonly string[]>;
  /** Where made-up passwords lie; undefined when every password is declared. */
  readonly secretsFile: pulumi.Output<string | undefined>;
  /** The certificate of the authority that clients are told to trust. */
  readonly caCertificatePem: pulumi.Output<string>;
  /** The file on the host that holds it. */
  readonly caCertificateFile: pulumi.Output<string>;
  /** Where the host keeps mail, keys and configuration. */
  readonly dataDirectory: pulumi.Output<string>;
  /** Records that are not published, and what would bring each. */
  readonly recordsLeftOut: pulumi.Output<readonly LeftOut[]>;
  /** The records as text: all of them, those of the host's addresses, and what a person has to enter. */
  readonly dns: pulumi.Output<ShownRecords>;

  constructor(name: string, args: MailStackArgs, options?: pulumi.ComponentResourceOptions) {
    super("mailkeep:index:MailStack", name, {}, options);
    const plan = planned(() => checkedPlan(args));
    const policies = planned(() => mtaStsPolicies(plan));
    const host = declareHost(name, args.host, plan, this);
    const { provider, directories } = host;
    const onHost: pulumi.CustomResourceOptions = { parent: this, provider };
    const inDirectories = { ...onHost, dependsOn: [directories] };

    const keys = plan.domains.map(
      ({ name: domain, keys: { algorithms, first } }) =>
        new DkimKeys(`${name}-dkim-${domain}`, { domain, algorithms: [...algorithms], first }, inDirectories),
    );
    const { issuer, certificates: wanted } = plan.certificates;
    const challengeSecret = args.tokens?.acme;
    const certificates = wanted.map(
      ({ called, names }) =>
        new Certificate(
          `${name}-${called}`,
          { names: [...names], issuer, ...(challengeSecret !== undefined && { challengeSecret }) },
          inDirectories,
        ),
    );
    const certificate = certificates[0]!;
    const settings = new Settings(
      `${name}-settings`,
      { settings: { ...plan.settings, ...webSettings(policies) } },
      inDirectories,
    );
    const published = publishedStack(name, args, plan, keys, certificate, onHost);
    const [own, elsewhere] = partition(plan.publications, ({ dns }) => isHost(dns));
    const zones = own.flatMap((publication) => publish(published, publication, [directories]));
    const given = [directories, ...host.machinery, ...keys, ...certificates, settings, ...zones];
    const server = new Server(
      `${name}-server`,
      { listeners: [...plan.listeners], restartOn: { ...plan.restartOn, ...host.restartOn } },
      { ...onHost, dependsOn: [...given, ...(host.contain?.(given) ?? [])] },
    );
    const records = elsewhere.flatMap((publication) => publish(published, publication, [server]));
    const { ipv4 = [], ipv6 = [], reverse = "checked" } = args.addresses ?? { reverse: "unchecked" };
    if (reverse === "checked")
      new DnsCheck(
        `${name}-reverse`,
        { name: "reverse", addresses: [...ipv4, ...ipv6], hostname: plan.hostname },
        { ...onHost, dependsOn: [server, ...records] },
      );
    // An authority looks at the names and asks the server: both are there first.
    if (issuer.type === "acme")
      for (const { called, names } of wanted)
        new IssuedCertificate(
          `${name}-${called}-issued`,
          { name: names[0]!, declaration: declarationText(names, issuer) },
          { ...onHost, dependsOn: [server, ...zones, ...records] },
        );

    const passwords = passwordsOf(args, plan, host.secretsDirectory);
    const domains = new Map(
      plan.domains.map(({ name: domain }) => [
        domain,
        new Domain(`${name}-${domain}`, { domain }, { ...onHost, dependsOn: [server] }),
      ]),
    );
    const inDomain = (domain: string) => ({
      ...onHost,
      dependsOn: [server, ...present(domains.get(domain))],
    });
    for (const { address, domain, quotaBytes, displayName, passwordPolicy } of plan.mailboxes) {
      const login = { ...passwords.declared[address], quotaBytes, displayName, passwordPolicy };
      new Mailbox(`${name}-${address}`, { address, ...login }, inDomain(domain));
    }
    for (const { address, domain, targets } of plan.aliases)
      new Alias(`${name}-${address}`, { address, targets: [...targets] }, inDomain(domain));

    for (const { name: called, relay, match } of plan.relays) {
      const password = args.relayPasswords?.[called];
      new Relay(
        `${name}-relay-${called}`,
        { name: called, ...relay, ...(relay && password !== undefined && { password }), ...writable(match) },
        { ...onHost, dependsOn: [server] },
      );
    }

    this.hostname = pulumi.output(plan.hostname);
    this.endpoints = pulumi
      .all([host.address, server.id])
      .apply(([address]) =>
        plan.endpoints.map((endpoint) => ({ ...endpoint, address: address ?? endpoint.address })),
      );
    this.logins = pulumi.output(plan.mailboxes.map(({ address }) => address));
    this.secretsFile = pulumi.output(passwords.madeUpIn && secretsFile(passwords.madeUpIn));
    this.caCertificatePem = certificate.caCertificatePem;
    this.caCertificateFile = directories.config.apply((config) => `${config}/ca.pem`);
    this.dataDirectory = host.dataDirectory;
    const everyRecord = recordsOf(published);
    this.recordsLeftOut = everyRecord.apply((all) => leftOut(all, plan.publications));
    this.dns = everyRecord.apply((all) => recordsToShow(all, plan.publications));
    everyRecord.apply(({ warnings }) => {
      for (const warning of warnings) pulumi.log.warn(warning, this);
    });
    this.registerOutputs({
      hostname: this.hostname,
      endpoints: this.endpoints,
      logins: this.logins,
      secretsFile: this.secretsFile,
      caCertificateFile: this.caCertificateFile,
      dataDirectory: this.dataDirectory,
      recordsLeftOut: this.recordsLeftOut,
      dns: this.dns,
    });
  }
}

/** The plan, and that its records can be planned whatever the host will say. */
function checkedPlan(args: MailStackArgs): StackPlan {
  const plan = planStack(args);
  stackRecords(plan, LOOPBACK, recordOptions(args));
  return plan;
}

function recordOptions({ relays, addresses }: MailStackArgs): RecordOptions {
  return { ...(relays && { relays }), ...(addresses?.outgoing && { outgoing: addresses.outgoing }) };
}

/** A mistake of whoever declared the stack is told without a stack trace. */
function planned<T>(plan: () => T): T {
  try {
    return plan();
  } catch (error) {
    if (error instanceof StackMistakes || error instanceof PlanError)
      throw new pulumi.RunError(error.message);
    throw error;
  }
}

/** What `IssuedCertificate` waits for; how the authority is convinced is no part of it. */
function declarationText(
  names: readonly string[],
  { directory, keyTypes }: Extract<DeclaredIssuer, { type: "acme" }>,
): string {
  return `${names.join(", ")} by ${directory} (${keyTypes.join(", ")})`;
}

function webSettings(mtaSts: Readonly<Record<string, string>>): Pick<SettingsInput, "web"> {
  return Object.keys(mtaSts).length === 0 ? {} : { web: { mtaSts } };
}

/** What publishers are told: what is declared, and what only the host can tell. */
function publishedStack(
  name: string,
  args: MailStackArgs,
  plan: StackPlan,
  keys: readonly DkimKeys[],
  certificate: Certificate,
  onHost: pulumi.CustomResourceOptions,
): PublishedStack {
  const publicKeys = keys.map(
    ({ domain, keys: published }): pulumi.Output<DomainKeys> =>
      pulumi.all([domain, published]).apply(([of, found]) => ({ domain: of, keys: found })),
  );
  const { ipv4 = [], ipv6 = [] } = args.addresses ?? addressesOf(args.host);
  const known = (address: pulumi.Input<string>) => (typeof address === "string" ? address : undefined);
  return {
    name,
    plan,
    options: recordOptions(args),
    unknown: {
      keys: keysToCome(plan.domains),
      ipv4: ipv4.map(known),
      ipv6: ipv6.map(known),
    },
    facts: pulumi
      .all([
        pulumi.all(publicKeys),
        certificate.spkiSha256,
        certificate.nextSpkiSha256,
        certificate.rsaSpkiSha256,
        certificate.nextRsaSpkiSha256,
        pulumi.all([...ipv4, ...ipv6]),
      ])
      .apply(([found, current, next, rsa, nextRsa, addresses]) => ({
        keys: found,
        tlsKeys: { current, next, ...(rsa !== "" && { rsa: { current: rsa, next: nextRsa } }) },
        ipv4: addresses.slice(0, ipv4.length),
        ipv6: addresses.slice(ipv4.length),
      })),
    tokens: args.tokens ?? {},
    onHost,
  };
}

/** The address by which a machine is reached, where it is one and nothing else is declared. */
function addressesOf(host: HostArgs): HostAddresses {
  if (host.type !== "ssh") return { ipv4: LOOPBACK.ipv4 };
  const { address } = host;
  return typeof address === "string" && isIP(address) === 6 ? { ipv6: [address] } : { ipv4: [address] };
}

type Login = { readonly password: pulumi.Input<string> } | { readonly passwordHash: pulumi.Input<string> };

/** What is declared, and made-up passwords for the rest where the host has a place for them. */
function passwordsOf(args: MailStackArgs, plan: StackPlan, directory: string | undefined) {
  const declared: Record<string, Login> = {};
  for (const { address, spelling } of plan.mailboxes) {
    const password = args.passwords?.[address] ?? args.passwords?.[spelling];
    const passwordHash = args.passwordHashes?.[address] ?? args.passwordHashes?.[spelling];
    if (password !== undefined) declared[address] = { password };
    else if (passwordHash !== undefined) declared[address] = { passwordHash };
  }
  const missing = plan.mailboxes.map(({ address }) => address).filter((address) => !declared[address]);
  if (directory === undefined) return { declared, madeUpIn: undefined };
  const made = localPasswords(directory, missing, pulumi.runtime.isDryRun() ? "preview" : "keep");
  for (const [address, password] of Object.entries(made)) declared[address] = { password };
  return { declared, madeUpIn: missing.length > 0 ? directory : undefined };
}

/** The lists of a rule as resources take them. */
function writable({ recipientDomains, senders, senderDomains }: StackPlan["relays"][number]["match"]) {
  return {
    recipientDomains: [...recipientDomains],
    senders: [...senders],
    senderDomains: [...senderDomains],
  };
}

function partition<T>(items: readonly T[], first: (item: T) => boolean): [T[], T[]] {
  return [items.filter(first), items.filter((item) => !first(item))];
}

const present = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);
