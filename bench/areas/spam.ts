/**
 * Accuracy: the filter with its network checks off, taught with the earlier half of the SpamAssassin public
 * corpus and asked about the later half. Arrival divides the halves, so the filter knows the past alone.
 *
 * What counts is the whole verdict with the shipped thresholds: spam is caught when it goes to Junk or is
 * refused, ham is lost when it is. Nothing in the filter was chosen by looking at the later half; what was
 * chosen was by cross-validation inside the earlier one, which `--row validation` repeats.
 */
import { zoneResolver } from "../../mailserver-runtime/dns/zone-for-tests.ts";
import { Model } from "../../mailserver-runtime/filter/bayes/model.ts";
import { evidenceOf } from "../../mailserver-runtime/filter/bayes/opinion.ts";
import { featuresOf } from "../../mailserver-runtime/filter/bayes/tokens.ts";
import { contentChecks, createInboundFilter } from "../../mailserver-runtime/filter/inbound-filter.ts";
import type { InboundFilter } from "../../mailserver-runtime/filter/pipeline.ts";
import { readMessage } from "../../mailserver-runtime/filter/reading/readable.ts";
import { memoryContent } from "../../mailserver-runtime/message/content.ts";
import { silentLog } from "../../mailserver-runtime/net/log.ts";
import { type CorpusMessage, readCorpus } from "../corpus/spam-assassin.ts";
import type { Cell } from "../harness.ts";
import type { Area } from "../main.ts";

/** The project's goals: issue "Filtering", Evidence. */
const goals = { caught: 98.5, kept: 99.9 };
const folds = 5;
/** Shares of the earlier half: taught up to the first, tested up to the second. */
const steps = [
  [0.4, 0.6],
  [0.6, 0.8],
  [0.8, 1],
] as const;

type Messages = readonly CorpusMessage[];
type Split = readonly [taught: Messages, tested: Messages];
const rows: Readonly<Record<string, (earlier: Messages, later: Messages) => readonly Split[]>> = {
  "later half": (earlier, later) => [[earlier, later]],
  "validation forward in time": (earlier) =>
    steps.map(([from, to]) => [
      earlier.slice(0, Math.floor(earlier.length * from)),
      earlier.slice(Math.floor(earlier.length * from), Math.floor(earlier.length * to)),
    ]),
  "validation in five folds": (earlier) =>
    Array.from({ length: folds }, (_, fold) => [
      earlier.filter((_, index) => index % folds !== fold),
      earlier.filter((_, index) => index % folds === fold),
    ]),
};

interface Confusion {
  readonly spamCaught: number;
  readonly spamMissed: number;
  readonly hamKept: number;
  readonly hamLost: number;
  /** Of the ham that was lost: which. */
  readonly lost: readonly string[];
}

export const spam: Area = {
  async prepare() {
    const corpus = readCorpus();
    if (typeof corpus === "string") throw new Error(corpus);
    const half = corpus.length >> 1;
    const earlier = corpus.slice(0, half);
    const later = corpus.slice(half);
    const evaluations = new Map<string, Promise<Confusion>>();
    const evaluation = (row: string): Promise<Confusion> => {
      const known = evaluations.get(row);
      if (known !== undefined) return known;
      const begun = judgedAll(rows[row]!(earlier, later));
      evaluations.set(row, begun);
      void begun.then(
        (confusion) => print(row, confusion),
        () => {},
      );
      return begun;
    };
    const cells = Object.keys(rows).flatMap((row): Cell[] => [
      cell(`spam caught, ${row}`, goals.caught, async () => {
        const { spamCaught, spamMissed } = await evaluation(row);
        return (100 * spamCaught) / (spamCaught + spamMissed);
      }),
      cell(`ham kept, ${row}`, goals.kept, async () => {
        const { hamKept, hamLost } = await evaluation(row);
        return (100 * hamKept) / (hamKept + hamLost);
      }),
    ]);
    return {
      cells,
      versions: {
        corpus: `${corpus.length} messages, halves meet at ${later[0]?.arrived.toISOString()}`,
        taught: counted(earlier),
        tested: counted(later),
      },
      async close() {},
    };
  },
};

/** A share of our own beside the goal: no peer runs in this area yet. */
function cell(row: string, goal: number, measure: () => Promise<number>): Cell {
  return {
    row,
    unit: "%",
    ours: { name: "mailkeep", measure },
    peers: [{ name: "goal", measure: async () => goal }],
    goal: 1,
  };
}

async function judgedAll(splits: readonly Split[]): Promise<Confusion> {
  const parts: Confusion[] = [];
  for (const [taught, tested] of splits) parts.push(await judged(taught, tested));
  const sum = (of: (one: Confusion) => number): number => parts.reduce((total, one) => total + of(one), 0);
  return {
    spamCaught: sum((one) => one.spamCaught),
    spamMissed: sum((one) => one.spamMissed),
    hamKept: sum((one) => one.hamKept),
    hamLost: sum((one) => one.hamLost),
    lost: parts.flatMap(({ lost }) => lost),
  };
}

async function judged(
  taught: readonly CorpusMessage[],
  tested: readonly CorpusMessage[],
): Promise<Confusion> {
  const filter = await taughtFilter(taught);
  const confusion = { spamCaught: 0, spamMissed: 0, hamKept: 0, hamLost: 0, lost: [] as string[] };
  for (const { id, spam: isSpam, arrived, bytes } of tested) {
    const verdict = await filter.inspect({
      content: memoryContent(bytes),
      client: { address: "127.0.0.1", port: 25, secure: false },
      helo: "client.test",
      from: "",
      recipients: [],
      receivedAt: arrived,
    });
    const taken = verdict.action.kind === "accept";
    if (isSpam) confusion[taken ? "spamMissed" : "spamCaught"] += 1;
    else confusion[taken ? "hamKept" : "hamLost"] += 1;
    if (!isSpam && !taken) confusion.lost.push(`${id} (${verdict.score})`);
  }
  return confusion;
}

async function taughtFilter(messages: Messages): Promise<InboundFilter> {
  const model = new Model();
  for (const { spam: isSpam, bytes } of messages)
    model.learn(await featuresOf(await readMessage(memoryContent(bytes))), isSpam ? "spam" : "ham");
  return createInboundFilter({
    hostname: () => "mx.test",
    resolver: zoneResolver({}),
    log: silentLog,
    checks: contentChecks,
    classifier: { evidence: async (message) => evidenceOf(await featuresOf(message), model) },
  });
}

/** On stderr, so that --json stays one row a line. */
function print(row: string, { spamCaught, spamMissed, hamKept, hamLost, lost }: Confusion): void {
  process.stderr.write(
    [
      `${row}: confusion counts`,
      "| | taken for spam | taken for ham |",
      "|---|---|---|",
      `| spam | ${spamCaught} | ${spamMissed} |`,
      `| ham | ${hamLost} | ${hamKept} |`,
      ...(lost.length === 0 ? [] : [`ham lost: ${lost.join(", ")}`]),
      "",
    ].join("\n"),
  );
}

function counted(messages: Messages): string {
  const inSpam = messages.filter((message) => message.spam).length;
  return `${inSpam} spam, ${messages.length - inSpam} ham`;
}
