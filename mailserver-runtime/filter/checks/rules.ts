/** The administrator's SpamAssassin rules (rules/rule-file.ts), each one a symbol with its score. */
import { parseAddressList } from "../../message/address-list.ts";
import type { Check, CheckResult, Facts } from "../check.ts";
import type { InboundMessage } from "../pipeline.ts";
import { startBreathing } from "../reading/breather.ts";
import { MAX_VALUE, type Readable, readableValue } from "../reading/readable.ts";
import type { Place, Rule, RuleFile, Test } from "../rules/rule-file.ts";

/** Characters of a text that rules look at: time is linear in it, for every rule. */
export const MAX_LOOKED_AT = 32 * 1024;
/** A meta rule that asks for metas that ask for metas. */
const MAX_DEPTH = 50;

/** A check that runs the rules of now. */
export function rulesCheck(file: () => RuleFile): Check {
  return {
    name: "rules",
    timeLimit: 20_000,
    onFailure: "accept",
    run: (message, facts) => runRules(file().rules, message, facts),
  };
}

async function runRules(
  rules: ReadonlyMap<string, Rule>,
  message: InboundMessage,
  facts: Facts,
): Promise<CheckResult> {
  if (rules.size === 0) return { findings: [] };
  const readable = await facts.readable();
  const breather = startBreathing();
  const full = (await message.content.read(0, MAX_LOOKED_AT)).toString("latin1");
  const texts: Readonly<Record<Place, string>> = {
    body: `${readableValue(readable.headers, "subject")}\n${paragraphs(readable)}`.slice(0, MAX_LOOKED_AT),
    rawbody: readable.texts
      .map(({ raw }) => raw)
      .join("\n")
      .slice(0, MAX_LOOKED_AT),
    uri: readable.urls
      .map(({ text }) => text)
      .join("\n")
      .slice(0, MAX_LOOKED_AT),
    full,
  };
  const values = new Map<string, number>();
  for (const { name, test } of rules.values()) {
    if (test.kind !== "meta") values.set(name, Number(holds(test, texts, readable, message)));
    await breather.breathe();
  }
  const countOf = (name: string, depth = 0): number => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const test = rules.get(name)?.test;
    if (test?.kind !== "meta" || depth > MAX_DEPTH) return 0;
    // Set before it is known, so that a rule that asks for itself finds 0.
    values.set(name, 0);
    const value = Number(test.evaluate((other) => countOf(other, depth + 1)) !== 0);
    values.set(name, value);
    return value;
  };
  return {
    findings: [...rules.values()]
      .filter(({ name, score }) => score !== 0 && countOf(name) !== 0)
      .map(({ name, score, description }) => ({ check: "rules", symbol: name, score, reason: description })),
  };
}

function holds(
  test: Exclude<Test, { kind: "meta" }>,
  texts: Readonly<Record<Place, string>>,
  readable: Readable,
  message: InboundMessage,
): boolean {
  if (test.kind === "text") return test.regex.matches(texts[test.place]);
  if (test.kind === "exists") return readable.headers.fields.some(({ name }) => name === test.header);
  const value = headerValue(test, readable, message);
  return test.regex.matches(value === "" ? test.unset : value) !== test.negated;
}

/** SpamAssassin's names for several fields at once, and for what is no field. */
const pseudoHeaders: Readonly<Record<string, (readable: Readable, message: InboundMessage) => string>> = {
  all: ({ headers }) => headers.bytes.toString("latin1", 0, Math.min(headers.end, MAX_LOOKED_AT)),
  tocc: ({ headers }) => `${readableValue(headers, "to")}\n${readableValue(headers, "cc")}`,
  envelopefrom: (_readable, { from }) => from,
  messageid: ({ headers }) => readableValue(headers, "message-id"),
};

function headerValue(
  test: Extract<Test, { kind: "header" }>,
  readable: Readable,
  message: InboundMessage,
): string {
  if (Object.hasOwn(pseudoHeaders, test.header)) return pseudoHeaders[test.header]!(readable, message);
  const { headers } = readable;
  if (test.part === "raw") {
    const field = headers.fields.find(({ name }) => name === test.header);
    return field === undefined
      ? ""
      : headers.bytes.toString("latin1", field.valueStart, Math.min(field.end, field.valueStart + MAX_VALUE));
  }
  const value = readableValue(headers, test.header);
  if (test.part === "value") return value;
  if (test.part === "name")
    return value
      .replace(/<[^<>]*>/g, "")
      .replace(/["']/g, "")
      .trim();
  const first = parseAddressList(value)[0]?.address;
  return first === undefined ? "" : `${first.localPart}@${first.domain}`;
}

/** Rendered text with one line for each paragraph, as SpamAssassin gives it to body rules. */
function paragraphs({ texts }: Readable): string {
  return texts
    .map(({ text }) =>
      text
        .slice(0, MAX_LOOKED_AT * 2)
        .split(/\r?\n[ \t]*\r?\n/)
        .map((paragraph) => paragraph.replace(/\s+/g, " "))
        .join("\n"),
    )
    .join("\n");
}
