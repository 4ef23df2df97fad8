/**
 * What a message's Received fields (RFC 5321 §4.4) say of its way here, as facts for the classifier: the hosts
 * and domains it passed, the networks, and the hand in which each station wrote its line. Spam software invents
 * stations, or has none; people's mail comes by the same few ways again and again.
 *
 * The line of the server that stored a message is left out: it stands in the stored copy, which a person moves
 * to Junk and so teaches, and not in the message as it comes in. Both must look the same.
 */
import { fieldValue, type Headers } from "../../message/headers.ts";

/** Stations that are looked at, newest first, and bytes of each; what is longer says nothing. */
const MAX_STATIONS = 20;
const MAX_STATION = 1000;

/** The facts of a message's way; a stored copy gives those of the message as it came. */
export function* traceFacts(headers: Headers): Generator<string> {
  const { fields } = headers;
  const received = fields.filter(({ name }) => name === "received");
  // Who delivers finally writes Return-Path first (RFC 5321 §4.4), so the first Received is its own.
  const stations = fields[0]?.name === "return-path" ? received.slice(1) : received;
  for (const station of stations.slice(0, MAX_STATIONS))
    if (station.end - station.valueStart <= MAX_STATION)
      yield* stationFacts(fieldValue(headers, station).toLowerCase().replace(/;.*$/s, ""));
  yield `stations:${stations.length}`;
}

function* stationFacts(line: string): Generator<string> {
  for (const word of line.split(/[^\w.-]+/)) {
    if (word === "") continue;
    const labels = word.split(".");
    if (/^\d+\.\d+\.\d+\.\d+$/.test(word)) {
      yield `net:${labels.slice(0, 2).join(".")}`;
      yield `net:${labels.slice(0, 3).join(".")}`;
      continue;
    }
    if (labels.length > 2) yield `station:${word}`;
    yield `station:${labels
      .slice(-2)
      .join(".")
      .replace(/\d{3,}/g, "9")}`;
  }
  // Names and numbers apart, the line is as its program writes it.
  const hand = line.replace(/[\w.-]+/g, (word) => (word.includes(".") ? "H" : /\d/.test(word) ? "9" : word));
  yield `hand:${hand.replace(/\s+/g, " ").trim()}`;
}
