/**
 * Accuracy: the filter with its network checks off, taught with the earlier half of the SpamAssassin public
 * corpus and asked about the later half. Arrival divides the halves, so the filter knows the past alone.
 *
 * rspamd and spamd, where they are installed, are taught and asked the same with their stock rules. What counts
 * is the whole verdict with the shipped thresholds: spam is caught when it goes to Junk or is refused, ham is
 * lost when it is. Nothing in the filter was chosen by looking at the later half; what was
 * chosen was by cross-validation inside the earlier one, which `--row validation` repeats.
 */
import * as fs from "node:fs";
import * as path from "node:path";
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
import type { SpamJudge } from "../peers/spam-judge.ts";
import { rspamd } from "../peers/spam-rspamd.ts";
import { spamd } from "../peers/spam-spamd.ts";

const folds = 5;
const peers: readonly SpamJudge[] = [rspamd, spamd];
/** The row that the peers are in too: validation is for our own choices. */
const comparedRow = "later half";
/** Shares of the earlier half: taught up to the first, tested up to the second. */
const steps = [
  [0.4, 0.6],
  [0.6, 0.8],
  [0.8, 1],
] as const;

type Messages = readonly CorpusMessage[];
type Split = readonly [taught: Messages, tested: Messages];
const rows: Readonly<Record<string, (earlier: Messages, later: Messages) => readonly Split[]>> = {
  [comparedRow]: (earlier, later) => [[earlier, later]],
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
  async prepare({ directory }) {
    const corpus = readCorpus();
    if (typeof corpus === "string") throw new Error(corpus);
    const half = corpus.length >> 1;
    const earlier = corpus.slice(0, half);
    const later = corpus.slice(half);
    const evaluate = once(async (row, peer?: SpamJudge) => {
      const splits = rows[row]!(earlier, later);
      const confusion =
        peer === undefined
          ? await judgedAll(splits, judged)
          : await judgedAll(splits, (taught, tested) => judgedBy(peer, directory, taught, tested));
      print(`${peer?.name ?? "mailkeep"}, ${row}`, confusion);
      return confusion;
    });
    const installed = peers.filter((peer) => peer.missing() === undefined);
    const cells = Object.keys(rows).flatMap((row) =>
      figures.map(({ name, goal, share }): Cell => {
        const measured = (peer?: SpamJudge) => ({
          name: peer?.name ?? "mailkeep",
          measure: async () => share(await evaluate(row, peer)),
        });
        return {
          row: `${name}, ${row}`,
          unit: "%",
          ours: measured(),
          peers: [
            { name: "goal", measure: async () => goal },
            ...(row === comparedRow ? installed.map(measured) : []),
          ],
          goal: 1,
        };
      }),
    );
    return {
      cells,
      versions: {
        corpus: `${corpus.length} messages, halves meet at ${later[0]?.arrived.toISOString()}`,
        taught: counted(earlier),
        tested: counted(later),
        ...Object.fromEntries(peers.map((peer) => [peer.name, peer.missing() ?? peer.version()])),
      },
      async close() {},
    };
  },
};

/** What is published of a confusion, in percent, with the project's goal (issue "Filtering", Evidence). */
const figures = [
  {
    name: "spam caught",
    goal: 98.5,
    share: ({ spamCaught, spamMissed }: Confusion) => (100 * spamCaught) / (spamCaught + spamMissed),
  },
  {
    name: "ham kept",
    goal: 99.9,
    share: ({ hamKept, hamLost }: Confusion) => (100 * hamKept) / (hamKept + hamLost),
  },
] as const;

/** Every evaluation is made once: its figures are in several cells, and no round would give others. */
function once(
  evaluate: (row: string, peer?: SpamJudge) => Promise<Confusion>,
): (row: string, peer?: SpamJudge) => Promise<Confusion> {
  const begun = new Map<string, Promise<Confusion>>();
  return (row, peer) => {
    const key = `${row}, ${peer?.name ?? ""}`;
    const evaluation = begun.get(key) ?? evaluate(row, peer);
    begun.set(key, evaluation);
    return evaluation;
  };
}

async function judgedAll(
  splits: readonly Split[],
  judge: (taught: Messages, tested: Messages) => Promise<Confusion>,
): Promise<Confusion> {
  const parts: Confusion[] = [];
  for (const [taught, tested] of splits) parts.push(await judge(taught, tested));
  const sum = (of: (one: Confusion) => number): number => parts.reduce((total, one) => total + of(one), 0);
  return {
    spamCaught: sum((one) => one.spamCaught),
    spamMissed: sum((one) => one.spamMissed),
    hamKept: sum((one) => one.hamKept),
    hamLost: sum((one) => one.hamLost),
    lost: parts.flatMap(({ lost }) => lost),
  };
}

async function judged(taught: Messages, tested: Messages): Promise<Confusion> {
  const filter = await taughtFilter(taught);
  return confusionOf(tested, async ({ arrived, bytes }) => {
    const { action, score } = await filter.inspect({
      content: memoryContent(bytes),
      client: { address: "127.0.0.1", port: 25, secure: false },
      helo: "client.test",
      from: "",
      recipients: [],
      receivedAt: arrived,
    });
    return { isSpam: action.kind !== "accept", remark: ` (${score})` };
  });
}

async function judgedBy(
  peer: SpamJudge,
  directory: string,
  taught: Messages,
  tested: Messages,
): Promise<Confusion> {
  const own = path.join(directory, peer.name);
  fs.mkdirSync(own);
  const judge = await peer.start(own);
  try {
    await judge.learn(taught);
    return await confusionOf(tested, async ({ bytes }) => ({
      isSpam: await judge.isSpam(bytes),
      remark: "",
    }));
  } finally {
    await judge.stop();
  }
}

async function confusionOf(
  tested: Messages,
  judge: (message: CorpusMessage) => Promise<{ readonly isSpam: boolean; readonly remark: string }>,
): Promise<Confusion> {
  const confusion = { spamCaught: 0, spamMissed: 0, hamKept: 0, hamLost: 0, lost: [] as string[] };
  for (const message of tested) {
    const { isSpam, remark } = await judge(message);
    if (message.spam) confusion[isSpam ? "spamCaught" : "spamMissed"] += 1;
    else confusion[isSpam ? "hamLost" : "hamKept"] += 1;
    if (!message.spam && isSpam) confusion.lost.push(`${message.id}${remark}`);
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
