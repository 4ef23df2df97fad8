/**
 * ClamAV's clamd by INSTREAM: the message in chunks, each after its length; one line for an answer (clamd(8)).
 *
 * What clamd's StreamMaxLength cuts off was not examined, and a finding says so: that the same message comes again would
 * change nothing, so it is no failure.
 */

import type { MessageContent } from "../../message/content.ts";
import type { EngineSettings } from "../../settings/groups/engines.ts";
import { type Place, placeOf } from "../../settings/place.ts";
import type { CheckResult } from "../check.ts";
import { answerText, replyText } from "./answer-text.ts";
import { type Engine, EngineError } from "./engine.ts";
import { Link } from "./link.ts";

type ClamdSettings = Extract<EngineSettings, { readonly type: "clamd" }>;

const MAX_ANSWER = 65_536;
/** No clamd has a smaller StreamMaxLength that is of any use. */
const SMALLEST_LIMIT = 65_536;
/** What clamd suspects rather than knows. */
const SUSPICION = /^(?:Heuristics|PUA)\./;

export function clamdEngine(name: string, settings: ClamdSettings): Engine {
  return {
    async examine({ content, deadline }) {
      const place = placeOf(settings.address)!;
      const link = await Link.open(place, deadline);
      try {
        return resultOf(name, settings, await stream(link, content, () => lives(place, deadline)));
      } finally {
        link.close();
      }
    },
  };
}

/**
 * clamd answers before the end where it has seen enough, and reads no further then; its words may be lost in the reset of a
 * connection with bytes nobody read. One that ended it in the middle and still lives has reached its limit.
 */
async function stream(link: Link, content: MessageContent, isAlive: () => Promise<boolean>): Promise<string> {
  let isAnswered = false;
  const answer = link.rest(MAX_ANSWER, 0).finally(() => {
    isAnswered = true;
  });
  answer.catch(() => {});
  link.write("zINSTREAM\0");
  try {
    for await (const chunk of content.chunks()) {
      if (isAnswered) break;
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32BE(chunk.length);
      link.write(length);
      link.write(chunk);
      await link.drained();
    }
    link.write(Buffer.alloc(4));
  } catch (error) {
    // The connection ended under our hands: what clamd said before counts, if it said something.
    if (!isGone(error)) throw error;
  }
  try {
    return (await answer).toString("utf8").replace(/\n$/, "");
  } catch (error) {
    if (isGone(error) && content.size > SMALLEST_LIMIT && (await isAlive())) return SIZE_LIMIT;
    throw error;
  }
}
const SIZE_LIMIT = "INSTREAM size limit exceeded. ERROR";
const isGone = (error: unknown): boolean => error instanceof EngineError && error.fault === "gone";

async function lives(place: Place, deadline: number): Promise<boolean> {
  const link = await Link.open(place, deadline);
  try {
    link.write("zPING\0");
    return (await link.rest(MAX_ANSWER, 0)).toString("latin1") === "PONG";
  } finally {
    link.close();
  }
}

function resultOf(engine: string, { onVirus }: ClamdSettings, answer: string): CheckResult {
  if (/^(?:stream|instream\([^)]*\)): OK$/.test(answer)) return { findings: [] };
  if (/size limit exceeded/i.test(answer))
    return {
      findings: [
        {
          check: engine,
          symbol: "CLAMD_TOO_LARGE",
          score: 0,
          reason: "not examined: larger than clamd takes (StreamMaxLength)",
        },
      ],
    };
  const virus = /^(?:stream|instream\([^)]*\)): (.+) FOUND$/.exec(answer)?.[1];
  if (virus === undefined)
    throw new EngineError(
      / ERROR$/.test(answer) ? "unable" : "nonsense",
      `it answered ${JSON.stringify(answerText(answer, 200))}`,
    );
  const name = answerText(virus, 100);
  if (SUSPICION.test(name)) {
    const reason = `clamd suspects ${name}`;
    return {
      findings: [{ check: engine, symbol: "CLAMD_SUSPICION", score: 5, reason }],
      advice: { kind: "junk", reason },
    };
  }
  const reason = `clamd found ${name}`;
  return {
    // Its weight would refuse what is to be kept.
    findings: [{ check: engine, symbol: "CLAMD_VIRUS", score: onVirus === "reject" ? 1000 : 0, reason }],
    advice:
      onVirus === "reject"
        ? { kind: "reject", status: "5.7.1", text: `Rejected: this message has a virus (${replyText(name)})` }
        : { kind: "quarantine", reason },
  };
}
