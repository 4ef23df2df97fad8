/**
 * The first exchange with a milter (SMFIC_OPTNEG): which version, what it may do to a message, which steps of the dialogue
 * it wants left out or leaves unanswered, and which macros it asks for at each step.
 */
import { answerText } from "../answer-text.ts";
import { EngineError } from "../engine.ts";
import type { Link } from "../link.ts";
import { number32, packet, readPacket } from "./packets.ts";

const VERSION = 6;
/** The oldest whose dialogue is the same but for the steps it does not know. */
const OLDEST = 2;

/** What it may do: SMFIF_*. */
export const actions = {
  addHeaders: 0x01,
  changeBody: 0x02,
  addRecipients: 0x04,
  removeRecipients: 0x08,
  changeHeaders: 0x10,
  quarantine: 0x20,
  changeSender: 0x40,
  addRecipientsWithParameters: 0x80,
  setMacros: 0x100,
} as const;
const allActions = Object.values(actions).reduce((sum, one) => sum | one, 0);

/** What it wants left out (NO…), or does not answer (silent…): SMFIP_*. */
export const steps = {
  noConnect: 0x01,
  noHelo: 0x02,
  noMail: 0x04,
  noRecipients: 0x08,
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeaders: 0x40,
  silentHeaders: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  skip: 0x400,
  refusedRecipients: 0x800,
  silentConnect: 0x1000,
  silentHelo: 0x2000,
  silentMail: 0x4000,
  silentRecipients: 0x8000,
  silentData: 0x1_0000,
  silentUnknown: 0x2_0000,
  silentEndOfHeaders: 0x4_0000,
  silentBody: 0x8_0000,
  leadingBlank: 0x10_0000,
} as const;
const allSteps = Object.values(steps).reduce((sum, one) => sum | one, 0) & ~steps.refusedRecipients;

/** Steps at which macros are asked for, as SMFIR_SETSYMLIST numbers them. */
export const macroStages = ["C", "H", "M", "R", "T", "E", "N"] as const;
export type MacroStage = (typeof macroStages)[number];

export interface Agreement {
  readonly version: number;
  /** Whether the milter may do this to the message. */
  may(action: keyof typeof actions): boolean;
  /** Whether this holds of the dialogue. */
  has(step: keyof typeof steps): boolean;
  /** Macros it asks for by name at a step; undefined: the usual ones. */
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>;
}

/** Throws EngineError. */
export async function negotiate(link: Link): Promise<Agreement> {
  link.write(packet("O", number32(VERSION), number32(allActions), number32(allSteps)));
  const { command, data } = await readPacket(link);
  if (command !== "O" || data.length < 12)
    throw new EngineError(
      "nonsense",
      `it answered ${JSON.stringify(answerText(command + data.toString("latin1", 0, 60)))} where a milter negotiates`,
    );
  const version = data.readUInt32BE(0);
  if (version < OLDEST || version > VERSION)
    throw new EngineError(
      "unable",
      `it speaks version ${version} of the milter protocol; ${VERSION} is known here`,
    );
  const mayDo = data.readUInt32BE(4);
  const wants = data.readUInt32BE(8);
  if ((mayDo & ~allActions) !== 0 || (wants & ~allSteps & ~0x3000_0000) !== 0)
    throw new EngineError("unable", "it wants something of the milter protocol that was not offered");
  return {
    version,
    may: (action) => (mayDo & actions[action]) !== 0,
    has: (step) => (wants & steps[step]) !== 0,
    macros: macrosAskedFor(data.subarray(12)),
  };
}

function macrosAskedFor(data: Buffer): ReadonlyMap<MacroStage, readonly string[]> {
  const asked = new Map<MacroStage, readonly string[]>();
  for (let at = 0; at + 4 < data.length; ) {
    const stage = macroStages[data.readUInt32BE(at)];
    const end = data.indexOf(0, at + 4);
    if (end < 0) break;
    const names = data.toString("latin1", at + 4, end).split(/[\s,]+/);
    if (stage !== undefined)
      asked.set(
        stage,
        names.filter((name) => name !== ""),
      );
    at = end + 1;
  }
  return asked;
}
