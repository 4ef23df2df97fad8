/**
 * What accounts may send and how mail leaves, as the server's settings: names held against what the stack declares. A
 * function of its arguments, like stack-plan.ts, whose list of mistakes it adds to.
 */
import { networkSchema, type SettingsInput } from "../mailserver-runtime/settings/schema.ts";
import { canonicalAddress, parseDomain } from "./accounts/address.ts";
import { bytesOf } from "./mail-server/size.ts";
import type { DeliveryArgs, MailStackArgs, SendingLimits, WarmUpArgs } from "./mail-stack-args.ts";
import { attempt, type Mistake, quote } from "./mistakes.ts";
import type { PlannedRelay } from "./relay-plan.ts";

type Submission = NonNullable<SettingsInput["submission"]>;
type Delivery = NonNullable<SettingsInput["delivery"]>;

/** Limits of accounts. `mailboxes` are the declared addresses. */
export function planSending(
  { sending = {} }: MailStackArgs,
  mailboxes: ReadonlySet<string>,
  mistakes: Mistake[],
): Pick<Submission, "limits" | "accountLimits" | "futureReleaseSeconds"> {
  const { limits, accountLimits, futureReleaseSeconds } = sending;
  const single = Object.entries(accountLimits ?? {}).map(([spelling, of]) => {
    const where = `sending.accountLimits[${quote(spelling)}]`;
    const address = attempt(() => canonicalAddress(spelling), where, spelling, mistakes) ?? "";
    if (address !== "" && !mailboxes.has(address))
      mistakes.push({ where, what: "is no declared mailbox, so the limits would be nobody's" });
    return [address, limitsOf(of, where, mistakes)] as const;
  });
  whole(futureReleaseSeconds, "sending.futureReleaseSeconds", 0, 999_999_999, mistakes);
  return {
    ...(limits !== undefined && { limits: limitsOf(limits, "sending.limits", mistakes) }),
    ...(single.length > 0 && { accountLimits: Object.fromEntries(single) }),
    ...(futureReleaseSeconds !== undefined && { futureReleaseSeconds }),
  };
}

function limitsOf({ messageSize, ...counts }: SendingLimits, where: string, mistakes: Mistake[]) {
  for (const [name, value] of Object.entries(counts))
    whole(value, `${where}.${name}`, 0, Number.MAX_SAFE_INTEGER, mistakes);
  const bytes = messageSize === undefined ? undefined : bytesOf(messageSize);
  if (messageSize !== undefined && bytes === undefined)
    mistakes.push({
      where: `${where}.messageSize`,
      what: `${quote(String(messageSize))} is no size like 25M`,
    });
  return { ...counts, ...(bytes !== undefined && { messageBytes: bytes }) };
}

/** How mail leaves. The relay of a warm-up is one of those declared. */
export function planDelivery(
  { delivery = {}, server = {} }: MailStackArgs,
  relays: readonly PlannedRelay[],
  mistakes: Mistake[],
): Delivery {
  twice("retrySeconds", delivery.retrySeconds, server.retrySeconds, mistakes);
  twice("lifetimeSeconds", delivery.lifetimeSeconds, server.queueLifetimeSeconds, mistakes);
  const retrySeconds = delivery.retrySeconds ?? server.retrySeconds;
  const lifetimeSeconds = delivery.lifetimeSeconds ?? server.queueLifetimeSeconds;
  const { connections, messagesPerHour, ipv6, warnAfterSeconds, tls, addresses, warmUp } = delivery;
  whole(connections, "delivery.connections", 1, 100, mistakes);
  whole(messagesPerHour, "delivery.messagesPerHour", 0, 10_000_000, mistakes);
  whole(lifetimeSeconds, "delivery.lifetimeSeconds", 60, Number.MAX_SAFE_INTEGER, mistakes);
  whole(warnAfterSeconds, "delivery.warnAfterSeconds", 0, Number.MAX_SAFE_INTEGER, mistakes);
  if (retrySeconds?.length === 0)
    mistakes.push({ where: "delivery.retrySeconds", what: "is empty: name at least one wait" });
  if (tls?.authorities !== undefined && !tls.authorities.startsWith("/"))
    mistakes.push({
      where: "delivery.tls.authorities",
      what: `${quote(tls.authorities)} is no absolute path of a file on the mail host`,
    });
  addresses?.forEach((address, index) => {
    if (address.includes("/") || !networkSchema.safeParse(address).success)
      mistakes.push({ where: `delivery.addresses[${index}]`, what: `${quote(address)} is no IP address` });
  });
  return present<Delivery>({
    connections,
    messagesPerHour,
    ipv6,
    warnAfterSeconds,
    lifetimeSeconds,
    retrySeconds: retrySeconds && [...retrySeconds],
    addresses: addresses && [...addresses],
    tls: tls && { ...tls },
    destinations: planDestinations(delivery, mistakes),
    warmUp: warmUp && planWarmUp(warmUp, relays, mistakes),
  });
}

function planDestinations({ destinations }: DeliveryArgs, mistakes: Mistake[]): Delivery["destinations"] {
  if (destinations === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(destinations).map(([name, { connections, messagesPerHour }]) => {
      const where = `delivery.destinations[${quote(name)}]`;
      const domain = attempt(() => parseDomain(name), where, name, mistakes) ?? name;
      whole(connections, `${where}.connections`, 1, 100, mistakes);
      whole(messagesPerHour, `${where}.messagesPerHour`, 0, 10_000_000, mistakes);
      return [
        domain,
        {
          ...(connections !== undefined && { connections }),
          ...(messagesPerHour !== undefined && { messagesPerHour }),
        },
      ];
    }),
  );
}

function planWarmUp(
  { messagesPerDay, growth, days, relay }: WarmUpArgs,
  relays: readonly PlannedRelay[],
  mistakes: Mistake[],
): Delivery["warmUp"] {
  whole(messagesPerDay, "delivery.warmUp.messagesPerDay", 1, 10_000_000, mistakes);
  whole(days, "delivery.warmUp.days", 1, 365, mistakes);
  if (growth !== undefined && !(growth >= 1 && growth <= 10))
    mistakes.push({ where: "delivery.warmUp.growth", what: `${growth} is not from 1 to 10` });
  const named = relays.find(({ name }) => name === relay);
  if (relay === undefined) return { messagesPerDay, ...present({ growth, days }) };
  if (named === undefined)
    mistakes.push({
      where: "delivery.warmUp.relay",
      what: `${quote(relay)} is no declared relay; declare it in relays${relays.length === 0 ? "" : ` beside ${relays.map(({ name }) => name).join(", ")}`}`,
    });
  else if (named.relay === undefined)
    mistakes.push({
      where: "delivery.warmUp.relay",
      what: `${quote(relay)} sends directly, and takes nothing`,
    });
  return { messagesPerDay, relay, ...present({ growth, days }) };
}

/** Only what is said: an absent member leaves the server's default. */
function present<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

function twice(name: string, here: unknown, old: unknown, mistakes: Mistake[]): void {
  if (here !== undefined && old !== undefined)
    mistakes.push({ where: `delivery.${name}`, what: "stands in server, too; declare it here alone" });
}

function whole(
  value: number | undefined,
  where: string,
  least: number,
  most: number,
  mistakes: Mistake[],
): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  mistakes.push({ where, what: `${value} is no whole number ${bounds}` });
}
