/**
 * Which messages a search program means (RFC 9051 §6.4.4).
 *
 * A program is tried on each message with what is known so far: first the index alone, then with the header,
 * then with the body. At each step the answer is yes, no or "not known yet", so `UNSEEN SUBJECT x` reads the
 * headers of unseen messages only, and a body is read for nothing but BODY and TEXT.
 */

import { envelopeFields } from "../../message/mime/envelope.ts";
import { FieldCursor } from "../../message/mime/fields.ts";
import { readStructure } from "../../message/mime/structure.ts";
import { isUsualField } from "../../message/mime/usual-fields.ts";
import { Flag, KEYWORD_SHIFT, StoreError } from "../../store/mail-store.ts";
import { emailId, threadIdByEmailId, threadIdByHeader } from "../fetch/object-ids.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { DAY, parseMailDate } from "../grammar/dates.ts";
import type { Comparison, SearchNode } from "../grammar/search-program.ts";
import type { NumberRange } from "../grammar/sequence-set.ts";
import type { Positions, Selected } from "../selected.ts";
import type { Session } from "../session.ts";
import { bodyContains, fieldTexts, fold } from "./text.ts";
import { type Question, textIndexOf } from "./text-index.ts";

const UNKNOWN = 2;
/** 0 no, 1 yes, 2 not known with what is loaded. */
type Answer = 0 | 1 | typeof UNKNOWN;
const answer = (yes: boolean): Answer => (yes ? 1 : 0);

/** What is loaded of one message. */
interface Loaded {
  position: number;
  uid: number;
  header: Buffer | undefined;
  /** undefined: not asked yet. */
  savedAt: number | undefined | null;
  /** Answers of keys that needed the body, by node. */
  body: Map<SearchNode, boolean> | undefined;
}
/** What a program needs of a message beside the index. */
interface Needs {
  header: boolean;
  /** Fields that are not among the usual ones. */
  unusual: boolean;
  saved: boolean;
}
type Test = (message: Loaded) => Answer;

/**
 * Positions that match, ascending, in the selected mailbox or another that is open. Messages that vanish
 * meanwhile do not match.
 */
export async function search(
  session: Session,
  program: SearchNode,
  box: Selected = session.box,
): Promise<number[]> {
  const { out } = session;
  const bodyNodes: SearchNode[] = [];
  const needs: Needs = { header: false, unusual: false, saved: false };
  const ruledOut = await askIndex(session, box, program);
  const test = compile({ session, box, ruledOut }, program, bodyNodes, needs);
  const found: number[] = [];
  const pause = () => (out.isOverdue() ? out.pause() : undefined);
  out.beginTurn();
  for (let position = 0; position < box.known.count; position += 1) {
    const message: Loaded = {
      position,
      uid: box.known.uids[position]!,
      header: undefined,
      savedAt: null,
      body: undefined,
    };
    let result = test(message);
    if (result === UNKNOWN) result = await loadAndTest({ box, pause }, message, test, bodyNodes, needs);
    if (result === 1) found.push(position);
    if (out.mustPause()) await out.pause();
  }
  return found;
}

async function loadAndTest(
  { box, pause }: { readonly box: Selected; readonly pause: () => Promise<void> | undefined },
  message: Loaded,
  test: Test,
  bodyNodes: readonly SearchNode[],
  needs: Readonly<Needs>,
): Promise<Answer> {
  const { mailbox } = box;
  try {
    let result: Answer = UNKNOWN;
    if (needs.saved) {
      message.savedAt = await mailbox.savedAt(message.uid);
      result = test(message);
    }
    if (result === UNKNOWN && needs.header) {
      message.header = needs.unusual
        ? await mailbox.readHeader(message.uid)
        : await mailbox.readUsualFields(message.uid);
      result = test(message);
    }
    if (result !== UNKNOWN || bodyNodes.length === 0) return result;
    const content = await mailbox.read(message.uid);
    try {
      const structure = await readStructure(content);
      message.body = new Map();
      for (const node of bodyNodes) {
        message.body.set(
          node,
          node.key === "emailid" || node.key === "threadid"
            ? isId(node, await emailId(content))
            : (node.key === "body" || node.key === "text") &&
                (await bodyContains({ content, scope: node.key, pause }, structure, fold(node.text))),
        );
        result = test(message);
        if (result !== UNKNOWN) return result;
      }
      return result;
    } finally {
      await content.dispose();
    }
  } catch (error) {
    if (error instanceof StoreError && error.code === "expunged") return 0;
    throw error;
  }
}

/** How expensive a node's first answer is: cheap ones of an AND are asked first. */
function cost(node: SearchNode): number {
  switch (node.key) {
    case "and":
    case "or":
      return Math.max(...node.nodes.map(cost));
    case "not":
      return cost(node.node);
    case "header":
    case "sent-date":
    case "saved-date":
    case "threadid":
      return 1;
    case "body":
    case "text":
    case "emailid":
      return 2;
    default:
      return 0;
  }
}

/** In which mailbox is searched, for whom. */
interface Place {
  readonly session: Session;
  readonly box: Selected;
  /** By node: 1 at the position of a message that the text index knows not to match. */
  readonly ruledOut: ReadonlyMap<SearchNode, Uint8Array>;
}

/** Asks the text index about each key that speaks of text. */
async function askIndex(
  session: Session,
  { mailbox, known }: Selected,
  program: SearchNode,
): Promise<ReadonlyMap<SearchNode, Uint8Array>> {
  const questions: Question[] = [];
  const collect = (node: SearchNode): void => {
    if (node.key === "and" || node.key === "or") node.nodes.forEach(collect);
    else if (node.key === "not") collect(node.node);
    else if (node.key === "body" || node.key === "text" || node.key === "header")
      questions.push({ node, field: node.key === "header" ? node.name : undefined, wanted: fold(node.text) });
  };
  collect(program);
  if (questions.length === 0) return new Map();
  return textIndexOf(mailbox, session.dependencies.log)?.ruleOut(known, questions) ?? new Map();
}

function compile(place: Place, node: SearchNode, bodyNodes: SearchNode[], needs: Needs): Test {
  const { box, session } = place;
  const { known } = box;
  switch (node.key) {
    case "all":
      return () => 1;
    case "none":
      return () => 0;
    case "and":
    case "or": {
      const tests = [...node.nodes]
        .sort((a, b) => cost(a) - cost(b))
        .map((child) => compile(place, child, bodyNodes, needs));
      const decisive: Answer = node.key === "and" ? 0 : 1;
      return (message) => {
        let result: Answer = decisive === 0 ? 1 : 0;
        for (const test of tests) {
          const one = test(message);
          if (one === decisive) return decisive;
          if (one === UNKNOWN) result = UNKNOWN;
        }
        return result;
      };
    }
    case "not": {
      const test = compile(place, node.node, bodyNodes, needs);
      return (message) => {
        const result = test(message);
        return result === UNKNOWN ? UNKNOWN : result === 1 ? 0 : 1;
      };
    }
    case "flag":
      return flagTest(box, node.flag, node.set);
    case "sequence":
    case "uid":
      if (session.enabled.uidOnly && node.key === "sequence" && node.set.kind !== "saved")
        throw new GrammarError("messages have no numbers here; name them by UID", "UIDREQUIRED");
      return positionTest(box.resolveFound(node.set, node.key === "uid", session.saved));
    case "size":
      return node.larger
        ? ({ position }) => answer(known.sizes[position]! > node.size)
        : ({ position }) => answer(known.sizes[position]! < node.size);
    case "internal-date":
      return ({ position }) => answer(compareDay(known.dates[position]!, node.compare, node.day));
    case "age": {
      const limit = Date.now() - node.seconds * 1000;
      return ({ position }) => answer(known.dates[position]! >= limit === node.younger);
    }
    case "modseq":
      return ({ position }) => answer(box.modSeqAt(position) >= node.modSeq);
    case "saved-date":
      needs.saved = true;
      return ({ savedAt }) =>
        savedAt === null
          ? UNKNOWN
          : answer(savedAt !== undefined && compareDay(savedAt, node.compare, node.day));
    case "sent-date":
      needs.header = true;
      return ({ header }) => {
        if (!header) return UNKNOWN;
        const { date } = envelopeFields(header);
        const sent = date === undefined ? undefined : parseMailDate(date);
        return answer(sent !== undefined && compareDay(sent.day * DAY, node.compare, node.day));
      };
    case "header":
      needs.header = true;
      needs.unusual ||= !isUsualField(node.name);
      return unlessRuledOut(place, node, headerTest(node.name, node.text));
    case "threadid":
      needs.header = true;
      bodyNodes.push(node);
      return ({ header, body }) => {
        const byHeader = header && threadIdByHeader(header);
        if (byHeader !== undefined) return answer(byHeader === node.id);
        const result = body?.get(node);
        return result === undefined ? UNKNOWN : answer(result);
      };
    case "body":
    case "text":
    case "emailid":
      bodyNodes.push(node);
      return unlessRuledOut(place, node, ({ body }) => {
        const result = body?.get(node);
        return result === undefined ? UNKNOWN : answer(result);
      });
  }
}

/** Ids compare as they are written (RFC 8474 §6). */
function isId(node: Extract<SearchNode, { key: "emailid" | "threadid" }>, found: string): boolean {
  return node.id === (node.key === "emailid" ? found : threadIdByEmailId(found));
}

function unlessRuledOut({ ruledOut }: Place, node: SearchNode, test: Test): Test {
  const out = ruledOut.get(node);
  return out ? (message) => (out[message.position] === 1 ? 0 : test(message)) : test;
}

function flagTest(box: Selected, flag: string, set: boolean): Test {
  if (flag === "\\Recent") return ({ uid }) => answer(box.isRecent(uid) === set);
  const system: Record<string, number> = {
    "\\Seen": Flag.Seen,
    "\\Answered": Flag.Answered,
    "\\Flagged": Flag.Flagged,
    "\\Deleted": Flag.Deleted,
    "\\Draft": Flag.Draft,
  };
  const keyword = box.mailbox.view().keywords.findIndex((name) => name.toLowerCase() === flag.toLowerCase());
  const bit = system[flag] ?? (keyword < 0 ? 0 : 1 << (keyword + KEYWORD_SHIFT));
  return ({ position }) => answer(((box.flagsAt(position) & bit) !== 0) === set);
}

function positionTest(positions: Positions): Test {
  const ranges: readonly NumberRange[] = positions;
  // Positions are asked in ascending order, so the place in the ranges only moves forward.
  let at = 0;
  return ({ position }) => {
    if (at > 0 && ranges[at - 1]![1] >= position) at = 0;
    while (at < ranges.length && ranges[at]![1] < position) at += 1;
    return answer(at < ranges.length && ranges[at]![0] <= position);
  };
}

/** RFC 9051 §6.4.4: time and zone are disregarded; days are those of UTC. */
function compareDay(time: number, compare: Comparison, day: number): boolean {
  const own = Math.floor(time / DAY);
  return compare === "before" ? own < day : compare === "on" ? own === day : own >= day;
}

function headerTest(name: string, text: string): Test {
  const bytes = Buffer.from(name, "latin1");
  const wanted = fold(text);
  return ({ header }) => {
    if (!header) return UNKNOWN;
    const cursor = new FieldCursor(header);
    while (cursor.next()) {
      if (!cursor.is(bytes)) continue;
      if (wanted === "" || fieldTexts(name, cursor.value()).some((one) => one.includes(wanted))) return 1;
    }
    return 0;
  };
}
