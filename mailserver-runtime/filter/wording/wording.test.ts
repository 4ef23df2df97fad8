import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryContent } from "../../message/content.ts";
import { wordingOf } from "../checks/wording.ts";
import { readMessage } from "../reading/readable.ts";
import { PhraseFinder } from "./phrase-finder.ts";
import { themes } from "./themes.ts";
import { wordsOf } from "./words.ts";

const disguises: readonly (readonly [text: string, words: readonly string[]])[] = [
  ["Buy it NOW!", ["buy", "it", "now"]],
  ["v i a g r a for you", ["viagra", "for", "you"]],
  ["V.I.A.G.R.A", ["viagra"]],
  ["vi\u200bag\u00adra", ["viagra"]],
  ["Ｖｉａｇｒａ", ["viagra"]],
  ["v\u0456\u0430gr\u0430", ["viagra"]],
  ["viágra", ["viagra"]],
  ["J. R. Smith", ["j", "r", "smith"]],
  ["привет мир", ["привет", "мир"]],
  ["it’s free!!", ["it's", "free!!"]],
];
for (const [text, words] of disguises)
  test(`${JSON.stringify(text)} reads as ${words.join(" ")} (UTS #39)`, () => {
    assert.deepEqual(wordsOf(text, 100), words);
  });

test("a phrase's words may stand for others, be left out, or be a number", () => {
  const finder = new PhraseFinder();
  const phrases = ["lose # pounds|kilos", "e? mail list", "act *  now"];
  for (const [number, phrase] of phrases.entries()) finder.add(phrase, number);
  const found = (text: string) => [...finder.find(wordsOf(text, 100)).keys()];
  assert.deepEqual(found("you lose 20 pounds"), [0]);
  assert.deepEqual(found("to lose 3 kilos"), [0]);
  assert.deepEqual(found("lose some pounds"), []);
  assert.deepEqual(found("our mail list, our e mail list"), [1]);
  assert.deepEqual(found("act right now"), [2]);
});

/** What such mail says, in other words than the corpus. */
const samples: readonly (readonly [theme: string, subject: string, text: string])[] = [
  [
    "ADVANCE_FEE",
    "Greetings",
    "I am Mr. John Osei, a bank manager. My late client left the sum of 12 million United States dollars and no next of kin. It is strictly confidential.",
  ],
  ["PHARMACY", "Cheap Cialis", "Order Viagra and Cialis from our Canadian pharmacy, no prescription needed."],
  [
    "ACCOUNT_PHISHING",
    "Your account has been suspended",
    "Dear customer, we noticed unusual activity. Please verify your account within 24 hours to avoid suspension.",
  ],
  [
    "EXTORTION",
    "I recorded you",
    "I hacked your device and recorded you by your webcam. Send me 900 USD in bitcoin to my bitcoin wallet.",
  ],
  [
    "PARCEL",
    "Delivery failed",
    "Your package is on hold because of an unpaid customs fee. Confirm your delivery address.",
  ],
  [
    "INVESTMENT",
    "Double your bitcoin",
    "Join our crypto investment with guaranteed returns and daily profit.",
  ],
  [
    "PAYMENT_FRAUD",
    "Quick task",
    "Are you available? I need you to purchase some gift cards for a client. Kindly do it asap.",
  ],
  [
    "PROMOTING_SERVICES",
    "Website redesign",
    "We offer SEO services and get you to the first page of Google; guest post and backlinks.",
  ],
];
for (const [theme, subject, text] of samples)
  test(`a message as ${theme} has them is found without learning anything`, async () => {
    const bytes = Buffer.from(`From: a@b.test\r\nSubject: ${subject}\r\n\r\n${text}\r\n`);
    const findings = wordingOf(await readMessage(memoryContent(bytes)));
    const found = findings.find(({ symbol }) => symbol === `TALKS_${theme}`);
    assert.ok(found !== undefined && found.score >= 1.5, JSON.stringify(findings));
  });

const ordinary = [
  "Hi Ann, shall we meet for lunch on Friday? I can pick you up at the office. Cheers, Bob",
  "The build failed on main because the free list was not initialised; click on the job for the log. I'll send a patch.",
  "Dear Mr Smith, please find attached the minutes of our meeting. The next one is on 3 March. Kind regards, Jane Doe",
  "Your invoice 4711 of 20 November is attached. Please pay within 30 days. Thank you for your order.",
  "Sehr geehrte Frau Meier, vielen Dank für Ihre Bestellung. Ihr Paket wurde heute versandt.",
];
for (const text of ordinary)
  test(`ordinary mail says nothing of that kind: ${text.slice(0, 40)}…`, async () => {
    const bytes = Buffer.from(`From: a@b.test\r\nSubject: hello\r\n\r\n${text}\r\n`);
    const findings = wordingOf(await readMessage(memoryContent(bytes)));
    assert.ok(findings.reduce((sum, { score }) => sum + score, 0) < 1, JSON.stringify(findings));
  });

test("64 KiB of whatever words are looked through in a few milliseconds", async () => {
  const words = themes.flatMap(({ phrases }) => phrases.flatMap(([, list]) => list.split(/[ ,|?]+/)));
  const text = Array.from({ length: 10_000 }, (_, at) => words[(at * 7919) % words.length]).join(" ");
  const readable = await readMessage(memoryContent(Buffer.from(`Subject: x\r\n\r\n${text}\r\n`)));
  wordingOf(readable);
  const begin = process.cpuUsage();
  wordingOf(readable);
  const { user, system } = process.cpuUsage(begin);
  assert.ok(user + system < 100_000, `${user + system} µs`);
});
