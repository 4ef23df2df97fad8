/**
 * The same text from many places within an hour, and many strangers' messages from one place within minutes: what one
 * message does not show. Each process sees the mail that it receives; nothing is kept over a restart.
 *
 * Texts are compared by a hash of their first words without numbers, so that a name or a code in each copy changes nothing
 * where it stands further down. Lists send one text from one place, and are not meant.
 */
import { clientKey } from "../../net/address.ts";
import { isPublicAddress } from "../../net/public-address.ts";
import type { Check } from "../check.ts";
import type { Finding } from "../pipeline.ts";
import { wordsOf } from "../wording/words.ts";

const HOUR = 3_600_000;
const MINUTES = 600_000;
/** So many networks with one text are a campaign. */
const MANY_PLACES = 4;
/** Messages of one client within ten minutes. */
const MANY_MESSAGES = 60;
const WORDS = 40;
/** A shorter text says nothing: "thanks", "see attachment". */
const LEAST_WORDS = 12;
/** Texts and clients that are remembered; the oldest are forgotten first. */
const MAX_REMEMBERED = 20_000;
const MAX_PLACES = 50;

interface Text {
  readonly since: number;
  readonly places: Set<string>;
}
interface Client {
  since: number;
  messages: number;
}

export function volumeCheck(): Check {
  const texts = new Map<string, Text>();
  const clients = new Map<string, Client>();
  return {
    name: "volume",
    timeLimit: 10_000,
    onFailure: "accept",
    async run(message, facts) {
      const { address } = message.client;
      if (!isPublicAddress(address)) return { findings: [] };
      const now = message.receivedAt.getTime();
      const place = clientKey(address).replace(/\.\d+$/, "");
      const findings: Finding[] = [];
      const { messages } = counted(clients, clientKey(address), now);
      if (messages > MANY_MESSAGES)
        findings.push({
          check: "volume",
          symbol: "VOLUME_OF_CLIENT",
          score: 0.5,
          reason: `${messages} messages of this client within ten minutes`,
        });
      const [first] = (await facts.readable()).texts;
      const words = wordsOf((first?.text ?? "").slice(0, 4000), WORDS * 2).filter((word) => !/\d/.test(word));
      if (words.length >= LEAST_WORDS) {
        const { places } = seen(texts, words.slice(0, WORDS).join(" "), place, now);
        if (places.size >= MANY_PLACES)
          findings.push({
            check: "volume",
            symbol: "VOLUME_OF_TEXT",
            score: 2,
            reason: `the same text came from ${places.size} networks within an hour`,
          });
      }
      return { findings };
    },
  };
}

function counted(clients: Map<string, Client>, key: string, now: number): Client {
  const known = clients.get(key);
  const client = known === undefined || now - known.since > MINUTES ? { since: now, messages: 0 } : known;
  client.messages += 1;
  remember(clients, key, client);
  return client;
}
function seen(texts: Map<string, Text>, key: string, place: string, now: number): Text {
  const known = texts.get(key);
  const text =
    known === undefined || now - known.since > HOUR ? { since: now, places: new Set<string>() } : known;
  if (text.places.size < MAX_PLACES) text.places.add(place);
  remember(texts, key, text);
  return text;
}
/** The last one used is the last one forgotten. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > MAX_REMEMBERED ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
