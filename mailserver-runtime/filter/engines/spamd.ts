/**
 * SpamAssassin's spamd by SPAMC/1.5: REPORT gives its score, its limit and each rule with its points; TELL teaches it
 * (spamd/PROTOCOL of SpamAssassin).
 */

import type { MessageContent } from "../../message/content.ts";
import type { EngineSettings } from "../../settings/groups/engines.ts";
import { placeOf } from "../../settings/place.ts";
import type { CheckResult } from "../check.ts";
import type { Finding } from "../pipeline.ts";
import { answerText } from "./answer-text.ts";
import { type Engine, EngineError, type Learner } from "./engine.ts";
import { Link } from "./link.ts";

type SpamdSettings = Extract<EngineSettings, { readonly type: "spamd" }>;

const MAX_LINE = 8192;
const MAX_HEADERS = 50;
const MAX_BODY = 1_048_576;

interface Answer {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export function spamdEngine(name: string, settings: SpamdSettings): Engine {
  return {
    async examine({ content, deadline }) {
      return resultOf(name, await ask(settings, "REPORT", [], content, deadline));
    },
  };
}

export function spamdLearner(name: string, settings: SpamdSettings): Learner {
  return {
    name,
    async learn(content, as) {
      // A rest of nothing done is an answer too: spamd has learnt the message before.
      await ask(
        settings,
        "TELL",
        [`Message-class: ${as}`, "Set: local"],
        content,
        performance.now() + settings.timeLimitSeconds * 1000,
      );
    },
  };
}

async function ask(
  { address, user }: SpamdSettings,
  command: string,
  headers: readonly string[],
  content: MessageContent,
  deadline: number,
): Promise<Answer> {
  const link = await Link.open(placeOf(address)!, deadline);
  try {
    const lines = [
      `${command} SPAMC/1.5`,
      `Content-length: ${content.size}`,
      ...(user === undefined ? [] : [`User: ${user}`]),
      ...headers,
    ];
    link.write(`${lines.join("\r\n")}\r\n\r\n`);
    await link.send(content);
    const status = await link.line(MAX_LINE);
    const [, code, words] = /^SPAMD\/\d+\.\d+ (\d+) (.*)$/.exec(status) ?? [];
    if (code === undefined)
      throw new EngineError("nonsense", `it answered ${JSON.stringify(answerText(status, 100))}`);
    if (code !== "0") throw new EngineError("unable", `it answered ${code} ${answerText(words ?? "")}`);
    const found = new Map<string, string>();
    for (let line = await link.line(MAX_LINE); line !== ""; line = await link.line(MAX_LINE)) {
      const [, field, value] = /^([\w-]+)\s*:\s*(.*)$/.exec(line) ?? [];
      if (field !== undefined) found.set(field.toLowerCase(), value ?? "");
      if (found.size > MAX_HEADERS) throw new EngineError("nonsense", "its answer has no end of headers");
    }
    return { headers: found, body: (await link.rest(MAX_BODY)).toString("utf8") };
  } finally {
    link.close();
  }
}

function resultOf(engine: string, { headers, body }: Answer): CheckResult {
  const [, verdict, score, limit] =
    /^(True|False|Yes|No)\s*;\s*(-?\d{1,9}(?:\.\d+)?)\s*\/\s*(-?\d{1,9}(?:\.\d+)?)/i.exec(
      headers.get("spam") ?? "",
    ) ?? [];
  if (verdict === undefined || score === undefined)
    throw new EngineError("nonsense", "its answer has no verdict");
  const isSpam = /^(?:true|yes)$/i.test(verdict);
  const findings = rulesOf(engine, body);
  // Points are written with one decimal, and a report may be written otherwise: what the rules do not explain is the verdict's.
  const explained = findings.reduce((sum, finding) => sum + finding.score, 0);
  const reason = `spamd's score is ${score} of ${limit}: ${isSpam ? "spam" : "no spam"}`;
  findings.push({
    check: engine,
    symbol: "SPAMD_SCORE",
    score: Math.round((Number(score) - explained) * 100) / 100,
    reason,
  });
  return { findings, ...(isSpam && { advice: { kind: "junk", reason } as const }) };
}

/** Lines of the report's table: points, the rule's name, words. */
function rulesOf(engine: string, report: string): Finding[] {
  const findings: Finding[] = [];
  for (const line of report.split(/\r?\n/)) {
    const [, points, symbol, words] =
      /^\s{0,2}(-?\d{1,4}(?:\.\d{1,4})?) ([A-Z][A-Z0-9_]{1,60})\s+(.*)$/.exec(line) ?? [];
    if (points !== undefined && symbol !== undefined)
      findings.push({ check: engine, symbol, score: Number(points), reason: answerText(words ?? symbol) });
    if (findings.length >= 200) break;
  }
  return findings;
}
