/** What Cloudflare's refusals mean for whoever made the API token: the right that is missing, by what was asked. Pure. */

/** What a stack asks of a zone, and the right of an API token that allows it. */
const RIGHTS = {
  zone: { does: "look the zone up", right: "Zone → Zone → Read" },
  read: { does: "list the zone's records", right: "Zone → DNS → Read" },
  edit: { does: "change the zone's records", right: "Zone → DNS → Edit" },
} as const;
export type ZoneTask = keyof typeof RIGHTS;

/** The first pattern that a refusal matches says what it means. */
const MEANINGS: readonly (readonly [RegExp, (task: ZoneTask, zone: string) => string])[] = [
  [
    /\b429\b|rate limit|971\b|10429/i,
    (_, zone) =>
      `Cloudflare refused to answer about ${zone} for too long: its rate limit (1,200 requests in five minutes for all tokens of a user) is used up. Run it again in five minutes.`,
  ],
  [
    /invalid api token|"code":\s*1000\b|\b6003\b|\b6111\b|invalid format for authorization/i,
    (_, zone) =>
      `Cloudflare does not know the API token (asked about ${zone}). Make one at dash.cloudflare.com/profile/api-tokens with ${RIGHTS.zone.right} and ${RIGHTS.edit.right} for the zone, and set it: ${SET_TOKEN}`,
  ],
  [
    /\b40[13]\b|\b9109\b|\b10000\b|unauthorized|authentication|these rights alone/i,
    (task, zone) =>
      `The API token may not ${RIGHTS[task].does} (${zone}): it lacks the right "${RIGHTS[task].right}". Edit it at dash.cloudflare.com/profile/api-tokens: a stack needs ${RIGHTS.zone.right} and ${RIGHTS.edit.right} for the zone.`,
  ],
  [
    /no (results?|zones?)|exactly one|not found|\b404\b|failed to find|couldn'?t find/i,
    (_, zone) =>
      `The API token sees no zone ${zone} at Cloudflare: it is not in the token's account, or the token is not for it ("${RIGHTS.zone.right}"), or the records of ${zone} lie in a zone above it: then name that one in dns.zones.`,
  ],
];

const SET_TOKEN = `pulumi config set --secret --path 'mailkeep:tokens["cloudflare"]'`;
const LONGEST_CAUSE = 600;

/** One message for a refusal: what it means, the way out, and what was answered. */
export function missingRight(task: ZoneTask, zone: string, error: unknown): string {
  const cause = (error instanceof Error ? error.message : String(error))
    .replace(/\s+/g, " ")
    .slice(0, LONGEST_CAUSE);
  const meaning = MEANINGS.find(([pattern]) => pattern.test(cause))?.[1](task, zone);
  return meaning === undefined
    ? `Cloudflare was asked to ${RIGHTS[task].does} (${zone}) and failed: ${cause}`
    : `${meaning}\nWhat was answered: ${cause}`;
}
