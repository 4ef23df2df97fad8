/**
 * The declared engines as checks, each type's opener in one table.
 *
 * Engines are asked side by side, and each looks at the message as it came. Milters alone hear of it one after the other,
 * each as the one before has left it: one that writes Authentication-Results and one that reads them are a usual pair.
 */
import type { SpoolOptions } from "../../message/spooled-content.ts";
import { type EngineSettings, enginesOf } from "../../settings/groups/engines.ts";
import type { Settings } from "../../settings/schema.ts";
import { type ChangedMessage, changedMessage } from "../changes/changed-message.ts";
import type { Check, CheckResult, Facts } from "../check.ts";
import { withoutForgedResults } from "../forged-results.ts";
import type { InboundMessage } from "../pipeline.ts";
import { amavisEngine } from "./amavis.ts";
import { clamdEngine } from "./clamd.ts";
import { type Engine, EngineError, type Learner } from "./engine.ts";
import type { Asked } from "./engine-tally.ts";
import { milterEngine } from "./milter/milter.ts";
import { rested } from "./rest.ts";
import { rspamdEngine, rspamdLearner } from "./rspamd.ts";
import { withoutSpamFields } from "./spam-fields.ts";
import { spamdEngine, spamdLearner } from "./spamd.ts";

type Openers = {
  readonly [Type in EngineSettings["type"]]: (
    name: string,
    settings: Extract<EngineSettings, { readonly type: Type }>,
  ) => Engine;
};
const openers: Openers = {
  rspamd: rspamdEngine,
  spamd: spamdEngine,
  amavis: amavisEngine,
  clamd: clamdEngine,
  milter: milterEngine,
};
const open = <Type extends EngineSettings["type"]>(
  name: string,
  settings: Extract<EngineSettings, { readonly type: Type }>,
): Engine => openers[settings.type as Type](name, settings);

export interface EngineOptions {
  readonly settings: () => Settings["engines"];
  readonly spool: SpoolOptions;
  /** Hears how each question ended. */
  readonly asked: (asked: Asked) => void;
}
export interface EngineChecks {
  /** Of mail from outside. */
  incoming(): readonly Check[];
  /** Of what users submit. */
  submitted(): readonly Check[];
}

/** Made anew when the settings change. */
export function createEngineChecks(options: EngineOptions): EngineChecks {
  let of: Settings["engines"] | undefined;
  let incoming: readonly Check[] = [];
  let submitted: readonly Check[] = [];
  const refresh = (): void => {
    const settings = options.settings();
    if (settings === of) return;
    of = settings;
    const engines = enginesOf(settings).map((engine): Opened => {
      const name = engine.name ?? engine.type;
      return { name, settings: engine, engine: rested(open(name, engine)) };
    });
    incoming = checksOf(
      engines.filter((one) => one.settings.looksAt !== "submitted"),
      options,
    );
    submitted = checksOf(
      engines.filter((one) => one.settings.looksAt !== "incoming"),
      options,
    );
  };
  return {
    incoming() {
      refresh();
      return incoming;
    },
    submitted() {
      refresh();
      return submitted;
    },
  };
}

/** The engines that learn what people sort. */
export function learnersOf(settings: Settings["engines"]): readonly Learner[] {
  return enginesOf(settings).flatMap((engine): Learner[] => {
    const name = engine.name ?? engine.type;
    if (engine.type === "rspamd" && engine.learn) return [rspamdLearner(name, engine)];
    return engine.type === "spamd" && engine.learn ? [spamdLearner(name, engine)] : [];
  });
}

interface Opened {
  readonly name: string;
  readonly settings: EngineSettings;
  readonly engine: Engine;
}
/** What a message is after a milter, for the next one. */
type After = WeakMap<InboundMessage, Promise<ChangedMessage>>;

function checksOf(engines: readonly Opened[], options: EngineOptions): readonly Check[] {
  let before: After | undefined;
  let waited = 0;
  return engines.map((opened) => {
    const limit = opened.settings.timeLimitSeconds * 1000;
    if (opened.settings.type !== "milter") return engineCheck(opened, options, limit);
    const previous = before;
    const after: After = new WeakMap();
    before = after;
    waited += limit;
    return engineCheck(opened, options, waited, { previous, after });
  });
}

function engineCheck(
  { name, settings, engine }: Opened,
  { spool, asked }: EngineOptions,
  timeLimit: number,
  chain?: { readonly previous: After | undefined; readonly after: After },
): Check {
  async function examine(message: InboundMessage, seen: ChangedMessage, facts: Facts): Promise<CheckResult> {
    const begin = performance.now();
    const done = (outcome: Asked["outcome"]) =>
      asked({ engine: name, outcome, milliseconds: performance.now() - begin });
    if (seen.content.size > settings.largestBytes) {
      done("too large");
      const reason = `not examined: larger than the ${settings.largestBytes} bytes that ${name} is given`;
      return { findings: [{ check: name, symbol: symbolOf(name, "TOO_LARGE"), score: 0, reason }] };
    }
    try {
      const deadline = begin + settings.timeLimitSeconds * 1000;
      const result = await engine.examine({ message, ...seen, facts, deadline, spool });
      done("answered");
      return withoutSpamFields(name, result);
    } catch (error) {
      done(error instanceof EngineError ? error.fault : "nonsense");
      throw error;
    }
  }
  return {
    name,
    // The engine keeps its own limit and says what it was late with; the pipeline's comes after it.
    timeLimit: timeLimit + GRACE_MS,
    onFailure: settings.onFailure,
    run(message, facts) {
      // As reception will change it: engines count header fields.
      const first = async () =>
        withoutForgedResults({ content: message.content, headers: await facts.headers() }, facts.hostname);
      const seen = chain?.previous?.get(message) ?? first();
      const result = seen.then((as) => examine(message, as, facts));
      // A milter that fails leaves the message to the next one as it was. Noted at once: the next one asks in this turn.
      chain?.after.set(
        message,
        result.then(
          async ({ changes = [] }) => changedMessage(await seen, changes),
          () => seen,
        ),
      );
      return result;
    },
  };
}
const GRACE_MS = 500;

const symbolOf = (name: string, what: string): string => `${name.toUpperCase().replaceAll("-", "_")}_${what}`;
