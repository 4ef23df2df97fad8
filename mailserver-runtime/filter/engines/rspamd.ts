/**
 * rspamd over HTTP: `/checkv2` with what is known of the message in headers of the request, an answer in JSON; `/learnspam`
 * and `/learnham` of its controller (rspamd documentation, "Protocol").
 *
 * Each symbol is a finding with rspamd's weight. One that our own checks have given already counts once (judgement.ts), so
 * SPF, DKIM and DMARC do not count twice. The action is what rspamd alone would do, by its own thresholds.
 */
import { z } from "zod";
import type { EngineSettings } from "../../settings/groups/engines.ts";
import { type Place, placeOf } from "../../settings/place.ts";
import type { MessageChange } from "../changes/message-change.ts";
import type { Advice, CheckResult } from "../check.ts";
import type { Finding } from "../pipeline.ts";
import { answerText, replyText } from "./answer-text.ts";
import { type Engine, EngineError, type Learner, type Question } from "./engine.ts";
import { post } from "./http-post.ts";

type RspamdSettings = Extract<EngineSettings, { readonly type: "rspamd" }>;

const MAX_ANSWER = 4_194_304;
const MAX_SYMBOLS = 300;

const headerValue = z.union([z.string(), z.object({ value: z.string(), order: z.number().optional() })]);
const answerSchema = z.object({
  action: z.string(),
  score: z.number(),
  required_score: z.number().optional(),
  is_skipped: z.boolean().optional(),
  symbols: z
    .record(
      z.string(),
      z.object({
        score: z.number().default(0),
        description: z.string().optional(),
        options: z.array(z.string()).optional(),
      }),
    )
    .default({}),
  messages: z.record(z.string(), z.unknown()).default({}),
  milter: z
    .object({
      add_headers: z.record(z.string(), z.union([headerValue, z.array(headerValue)])).default({}),
      remove_headers: z.record(z.string(), z.number()).default({}),
    })
    .optional(),
});
type Answer = z.infer<typeof answerSchema>;

export function rspamdEngine(name: string, settings: RspamdSettings): Engine {
  const place = placeOf(settings.address)!;
  return {
    async examine(question) {
      const { status, body } = await post({
        place,
        path: "/checkv2",
        headers: await requestHeaders(question),
        content: question.content,
        deadline: question.deadline,
        limit: MAX_ANSWER,
      });
      if (status !== 200)
        throw new EngineError("unable", `it answered ${status} ${answerText(body.toString("utf8", 0, 500))}`);
      return resultOf(name, answerOf(body));
    },
  };
}

export function rspamdLearner(name: string, settings: RspamdSettings): Learner {
  const place: Place = placeOf(settings.controller)!;
  const { password, timeLimitSeconds } = settings;
  return {
    name,
    async learn(content, as) {
      const { status, body } = await post({
        place,
        path: as === "spam" ? "/learnspam" : "/learnham",
        headers: password === undefined ? {} : { Password: password },
        content,
        deadline: performance.now() + timeLimitSeconds * 1000,
        limit: MAX_ANSWER,
      });
      // 204 and 208: too little text to learn from, or learnt before.
      if (status !== 200 && status !== 204 && status !== 208)
        throw new EngineError("unable", `it answered ${status} ${answerText(body.toString("utf8", 0, 500))}`);
    },
  };
}

async function requestHeaders({ message, facts }: Question): Promise<Record<string, string | string[]>> {
  const { client, helo, from, recipients, id, account, secure } = {
    ...message,
    secure: message.client.secure,
  };
  const reverse = client.address === "" ? undefined : await facts.reverse().catch(() => undefined);
  const known: Readonly<Record<string, string | undefined>> = {
    From: from,
    IP: client.address,
    Helo: helo,
    Hostname: reverse?.result === "pass" ? reverse.name : undefined,
    "Queue-Id": id,
    User: account,
    "MTA-Name": facts.hostname,
    "TLS-Version": secure ? "TLS" : undefined,
  };
  const headers: Record<string, string | string[]> = {};
  for (const [field, value] of Object.entries(known))
    if (value !== undefined && value !== "") headers[field] = headerSafe(value);
  if (recipients.length > 0) headers.Rcpt = recipients.map(headerSafe);
  return headers;
}
/** What Node lets into a header: no control characters, UTF-8 as its bytes. */
const headerSafe = (text: string): string =>
  Buffer.from(text.replace(/\p{Cc}/gu, "?"), "utf8").toString("latin1");

function answerOf(body: Buffer): Answer {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    throw new EngineError("nonsense", "its answer is no JSON");
  }
  const answer = answerSchema.safeParse(parsed);
  if (!answer.success) {
    const said = (parsed as { error?: unknown } | null)?.error;
    throw new EngineError(
      typeof said === "string" ? "unable" : "nonsense",
      typeof said === "string"
        ? answerText(said)
        : `its answer lacks ${answer.error.issues[0]?.path.join(".")}`,
    );
  }
  return answer.data;
}

function resultOf(engine: string, answer: Answer): CheckResult {
  const findings = Object.entries(answer.symbols)
    .slice(0, MAX_SYMBOLS)
    .map(([symbol, { score, description = symbol, options = [] }]): Finding => {
      const said = options.length === 0 ? "" : ` [${options.slice(0, 5).join(", ")}]`;
      return {
        check: engine,
        symbol: answerText(symbol, 80),
        score: bounded(score),
        reason: answerText(`${description}${said}`),
      };
    });
  const advice = adviceOf(answer);
  const of = answer.required_score === undefined ? "" : ` of ${answer.required_score}`;
  findings.push({
    check: engine,
    symbol: "RSPAMD_ACTION",
    score: 0,
    reason: answerText(
      `rspamd's score is ${answer.score.toFixed(1)}${of}: ${answer.action}${answer.is_skipped === true ? ", its checks skipped" : ""}`,
    ),
  });
  const changes = changesOf(answer);
  return { findings, ...(advice && { advice }), ...(changes.length > 0 && { changes }) };
}

/** A weight that no honest rule has must not outweigh everything for ever, and NaN nothing. */
const bounded = (score: number): number =>
  Math.max(-1000, Math.min(1000, Number.isFinite(score) ? score : 0));

function adviceOf({ action, score, messages }: Answer): Advice | undefined {
  const { smtp_message: said } = messages;
  const text = typeof said === "string" ? replyText(said) : "";
  const reason = `rspamd: ${action}, score ${score.toFixed(1)}`;
  switch (action) {
    case "reject":
      return { kind: "reject", status: "5.7.1", text: text || "Rejected as spam" };
    case "soft reject":
      return { kind: "tempfail", status: "4.7.1", text: text || "Try again later" };
    case "add header":
    case "rewrite subject":
      return { kind: "junk", reason };
    case "quarantine":
    case "discard":
      return { kind: "quarantine", reason };
    default:
      // "no action", and "greylist", which asks for nothing where rspamd does not greylist itself.
      return undefined;
  }
}

/** Fields of rspamd's milter_headers module. */
function changesOf({ milter }: Answer): MessageChange[] {
  if (milter === undefined) return [];
  const removed = Object.entries(milter.remove_headers).map(
    // rspamd says 0 for the first as well.
    ([name, occurrence]): MessageChange => ({
      kind: "change-header",
      name,
      occurrence: Math.max(1, occurrence),
      value: undefined,
    }),
  );
  const added = Object.entries(milter.add_headers).flatMap(([name, values]) =>
    [values].flat().map((one): MessageChange => {
      const { value, order } = typeof one === "string" ? { value: one, order: undefined } : one;
      const field = { name, value: ` ${Buffer.from(value, "utf8").toString("latin1")}` };
      return order === undefined || order < 0
        ? { kind: "add-header", ...field }
        : { kind: "insert-header", at: Math.max(0, Math.trunc(order) - 1), ...field };
    }),
  );
  return [...removed, ...added];
}
