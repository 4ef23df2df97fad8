/**
 * amavisd-new by AM.PDP (README.protocol of amavisd-new): attributes in lines, and the message in a file below a directory
 * that both can reach. What it wants done to the message are the modifications of the milter protocol.
 *
 * The file is readable by the directory's group, so a set-group-id directory of amavisd's group is enough where the two
 * run as different users.
 */
import { chmod, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { MessageContent } from "../../message/content.ts";
import type { EngineSettings } from "../../settings/groups/engines.ts";
import { placeOf } from "../../settings/place.ts";
import type { MessageChange } from "../changes/message-change.ts";
import type { Advice, CheckResult } from "../check.ts";
import type { Finding } from "../pipeline.ts";
import { answerText, replyText, statusOr } from "./answer-text.ts";
import { type Engine, EngineError, type Question } from "./engine.ts";
import { Link } from "./link.ts";

type AmavisSettings = Extract<EngineSettings, { readonly type: "amavis" }>;
type Attribute = readonly [name: string, value: string];

const MAX_LINE = 65_536;
const MAX_ATTRIBUTES = 5000;

export function amavisEngine(name: string, settings: AmavisSettings): Engine {
  return {
    async examine(question) {
      const link = await Link.open(placeOf(settings.address)!, question.deadline);
      let directory: string | undefined;
      try {
        directory = await mkdtemp(join(settings.directory, "mailkeep-")).catch(unwritable);
        await chmod(directory, 0o2770);
        const file = join(directory, "email.txt");
        await copy(question.content, file);
        link.write(requestOf(question, directory, file));
        return resultOf(name, await answerOf(link));
      } finally {
        link.close();
        if (directory !== undefined) await rm(directory, { recursive: true, force: true }).catch(() => {});
      }
    },
  };
}

function unwritable(error: unknown): never {
  throw new EngineError("unable", `cannot write where amavisd reads: ${(error as Error).message}`);
}

/** amavisd reads files of Unix: lines end in LF alone, and a CR would be a fault of the header to it. */
async function copy(content: MessageContent, path: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    // amavisd opens it for writing as well; the umask must not decide.
    await file.chmod(0o660);
    let held = false;
    for await (const chunk of content.chunks()) {
      const text: string = (held ? "\r" : "") + chunk.toString("latin1");
      held = text.endsWith("\r");
      await file.write(Buffer.from((held ? text.slice(0, -1) : text).replaceAll("\r\n", "\n"), "latin1"));
    }
    if (held) await file.write("\r");
  } finally {
    await file.close();
  }
}

function requestOf({ message, facts }: Question, directory: string, file: string): string {
  const { from, recipients, client, helo, id, account } = message;
  const attributes: readonly Attribute[] = [
    ["request", "AM.PDP"],
    ["sender", `<${from}>`],
    ...recipients.map((recipient): Attribute => ["recipient", `<${recipient}>`]),
    ["tempdir", directory],
    ["tempdir_removed_by", "client"],
    ["mail_file", file],
    ["delivery_care_of", "client"],
    ["protocol_name", "ESMTP"],
    ["helo_name", helo],
    ["client_address", client.address],
    ["queue_id", id ?? ""],
    ["policy_bank", account === undefined ? "" : "ORIGINATING"],
    ["log_name", facts.hostname],
  ];
  const lines = attributes
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}=${encoded(value)}\r\n`);
  return `${lines.join("")}\r\n`;
}

/** Every byte but the printable ones that mean nothing here, as %xx. */
const encoded = (value: string): string =>
  Array.from(Buffer.from(value, "utf8"), (byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).padStart(2, "0")}`,
  ).join("");
/** Bytes as latin1. */
const decoded = (value: string): string =>
  value.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

async function answerOf(link: Link): Promise<readonly Attribute[]> {
  const attributes: Attribute[] = [];
  for (let line = await link.line(MAX_LINE); line !== ""; line = await link.line(MAX_LINE)) {
    const at = line.indexOf("=");
    if (at <= 0) throw new EngineError("nonsense", `it answered ${JSON.stringify(answerText(line, 100))}`);
    attributes.push([decoded(line.slice(0, at)), line.slice(at + 1)]);
    if (attributes.length > MAX_ATTRIBUTES)
      throw new EngineError("nonsense", "its answer has no end of attributes");
  }
  return attributes;
}

function resultOf(engine: string, attributes: readonly Attribute[]): CheckResult {
  const attribute = (name: string) => attributes.find(([one]) => one === name)?.[1];
  const returned = attribute("return_value");
  const [code = "", status, ...words] = (attribute("setreply") ?? "").split(" ").map(decoded);
  const text = replyText(words.join(" "));
  const reason = answerText(
    `amavisd: ${returned ?? "no answer"}${text === "" ? "" : `, ${code} ${status} ${text}`}`,
  );
  const advice = adviceOf(returned, status, text, reason);
  const asked = attribute("quarantine");
  const findings: Finding[] = [
    { check: engine, symbol: "AMAVIS", score: 0, reason },
    ...scoreOf(engine, attributes),
  ];
  const changes = attributes.flatMap(changeOf);
  return {
    findings,
    ...(advice === undefined && asked !== undefined
      ? { advice: { kind: "quarantine", reason: `amavisd: ${answerText(decoded(asked))}` } as const }
      : advice && { advice }),
    ...(changes.length > 0 && { changes }),
  };
}

function adviceOf(
  returned: string | undefined,
  status: string | undefined,
  text: string,
  reason: string,
): Advice | undefined {
  switch (returned) {
    case "continue":
    case "accept":
      return undefined;
    case "reject":
      return { kind: "reject", status: statusOr(status, 5), text: text || "Rejected" };
    case "tempfail":
      return { kind: "tempfail", status: statusOr(status, 4), text: text || "Try again later" };
    case "discard":
      // Nothing that was acknowledged vanishes: it is kept where an administrator can look.
      return { kind: "quarantine", reason };
    default:
      throw new EngineError(
        "nonsense",
        `its answer ends in ${JSON.stringify(answerText(returned ?? "nothing", 40))}`,
      );
  }
}

/** What amavisd writes about spam into a field of its own. */
function scoreOf(engine: string, attributes: readonly Attribute[]): Finding[] {
  for (const [name, value] of attributes) {
    if (name !== "addheader" && name !== "insheader") continue;
    const text = decoded(value.replaceAll(" ", "%20"));
    const [, score, limit] =
      /X-Spam-Status \w+, score=(-?\d{1,6}(?:\.\d+)?)(?:\s+\S+=(\S+))?/.exec(text) ?? [];
    if (score === undefined) continue;
    const reason = answerText(`amavisd's score is ${score}${limit === undefined ? "" : ` (${limit})`}`);
    return [{ check: engine, symbol: "AMAVIS_SCORE", score: Number(score), reason }];
  }
  return [];
}

function changeOf([attribute, value]: Attribute): MessageChange[] {
  const parts = value.split(" ").map(decoded);
  const at = Number(parts[0]);
  switch (attribute) {
    case "addrcpt":
      return [{ kind: "add-recipient", address: bare(parts[0]) }];
    case "delrcpt":
      return [{ kind: "remove-recipient", address: bare(parts[0]) }];
    case "addheader":
      return [{ kind: "add-header", name: parts[0] ?? "", value: ` ${parts[1] ?? ""}` }];
    case "insheader":
      return [
        {
          kind: "insert-header",
          at: Math.max(0, at - 1),
          name: parts[1] ?? "",
          value: ` ${parts[2] ?? ""}`,
        },
      ];
    case "chgheader":
      return [{ kind: "change-header", name: parts[1] ?? "", occurrence: at, value: ` ${parts[2] ?? ""}` }];
    case "delheader":
      return [{ kind: "change-header", name: parts[1] ?? "", occurrence: at, value: undefined }];
    default:
      return [];
  }
}
const bare = (address = ""): string => address.replace(/^<|>$/g, "");
