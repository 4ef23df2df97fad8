/** When a client is banned and for how long: the settings, with DMS's jail file laid over them. */
import type { Settings } from "../settings/schema.ts";
import { type Ban, FOR_EVER } from "./ban-list.ts";
import type { JailFile, JailOptions } from "./jail-file.ts";
import type { Jail } from "./offence.ts";

export interface JailPolicy {
  readonly enabled: boolean;
  /** Points of offences that are one too many. */
  readonly maxRetry: number;
  /** Milliseconds in which they count. */
  readonly findMs: number;
  /** Milliseconds of a first ban; Infinity is for ever. */
  readonly banMs: number;
}
export interface BanPolicy {
  readonly enabled: boolean;
  readonly jail: (name: Jail) => JailPolicy;
  /** Each further ban lasts so many times as long as the one before. */
  readonly growth: number;
  readonly longestMs: number;
  /** So many clients of one wider network ban all of it; 0: never. */
  readonly networkAfter: number;
  /** Addresses and networks that are never banned. */
  readonly ignored: readonly string[];
}

/** docker-mailserver gives what a person bans 180 days. */
const CUSTOM_BAN_SECONDS = 180 * 86_400;

export function banPolicy(settings: Settings["ban"], file: JailFile): BanPolicy {
  const jail = (name: Jail): JailPolicy => {
    const said: JailOptions = { ...file.defaults, ...file.jails.get(name) };
    const banSeconds = name === "custom" ? CUSTOM_BAN_SECONDS : settings.banSeconds;
    // The [DEFAULT] of the file does not reach what [custom] of the original says itself.
    const banTime = name === "custom" ? file.jails.get(name)?.banSeconds : said.banSeconds;
    return {
      enabled: said.enabled ?? true,
      maxRetry: said.maxRetry ?? settings.maxRetry,
      findMs: (said.findSeconds ?? settings.findSeconds) * 1000,
      banMs: (banTime ?? banSeconds) * 1000,
    };
  };
  const policies = {
    dovecot: jail("dovecot"),
    postfix: jail("postfix"),
    custom: jail("custom"),
  } satisfies Record<Jail, JailPolicy>;
  const lists = [file.defaults, ...file.jails.values()].flatMap(({ ignored }) => ignored ?? []);
  return {
    enabled: settings.enabled,
    jail: (name) => policies[name],
    growth: settings.growth,
    longestMs: settings.longestBanSeconds * 1000,
    networkAfter: settings.networkAfter,
    ignored: [...settings.neverBanned, ...lists],
  };
}

/** The term of a ban that begins now, given the last one of the same network. */
export function term(
  banMs: number,
  { growth, longestMs }: Pick<BanPolicy, "growth" | "longestMs">,
  before: Pick<Ban, "times"> | undefined,
  now: number,
): Pick<Ban, "since" | "until" | "times"> {
  const times = (before?.times ?? 0) + 1;
  const grown = banMs * growth ** Math.min(times - 1, 64);
  // A declared time longer than the longest stands: growth never shortens it.
  const lasts = Math.max(banMs, Math.min(grown, longestMs));
  return { since: now, until: Math.min(now + lasts, FOR_EVER), times };
}
