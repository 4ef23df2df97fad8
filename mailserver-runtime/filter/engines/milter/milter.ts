/** Any milter as an engine: its verdict as advice, what it asks for as changes. */
import type { EngineSettings } from "../../../settings/groups/engines.ts";
import { placeOf } from "../../../settings/place.ts";
import type { Advice, CheckResult } from "../../check.ts";
import type { Engine } from "../engine.ts";
import { Link } from "../link.ts";
import { type MilterVerdict, talk } from "./dialogue.ts";

type MilterSettings = Extract<EngineSettings, { readonly type: "milter" }>;

export function milterEngine(name: string, { address }: MilterSettings): Engine {
  return {
    async examine(question): Promise<CheckResult> {
      const link = await Link.open(placeOf(address)!, question.deadline);
      try {
        const { verdict, refused, changes } = await talk(link, question);
        const advice = adviceOf(name, verdict);
        const symbol = `${name.toUpperCase().replaceAll("-", "_")}_MILTER`;
        const done = changes.length === 0 ? "" : `, ${changes.length} changes`;
        return {
          findings: [{ check: name, symbol, score: 0, reason: `${wordsOf(verdict)}${done}` }],
          ...(advice && { advice }),
          ...(changes.length > 0 && { changes }),
          ...(refused.length > 0 && {
            forRecipients: refused.flatMap(({ recipient, verdict: own }) => {
              const asked = adviceOf(name, own);
              return asked === undefined ? [] : [{ recipient, advice: asked }];
            }),
          }),
        };
      } finally {
        link.close();
      }
    },
  };
}

function adviceOf(name: string, verdict: MilterVerdict): Advice | undefined {
  switch (verdict.kind) {
    case "accept":
      return undefined;
    case "discard":
      // Nothing that was acknowledged vanishes: it is kept where an administrator can look.
      return { kind: "quarantine", reason: `${name} discards it` };
    case "quarantine":
      return { kind: "quarantine", reason: `${name}: ${verdict.reason}` };
    default:
      return verdict;
  }
}

function wordsOf(verdict: MilterVerdict): string {
  switch (verdict.kind) {
    case "accept":
      return "the milter accepts it";
    case "discard":
      return "the milter discards it";
    case "quarantine":
      return `the milter wants it in the quarantine: ${verdict.reason}`;
    default:
      return `the milter answers ${verdict.code} ${verdict.status} ${verdict.text}`;
  }
}
