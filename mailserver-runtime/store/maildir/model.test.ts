import assert from "node:assert/strict";
import { readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import type { Mailbox, MailStore } from "../mail-store.ts";
import { filesIn, flagsAt, freshDirectory, message, openIn, textOf, uidsOf } from "./test-store.ts";

const ANN = "ann@example.org";
const FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Forwarded", "work"];
const NAMES = ["INBOX", "Other"] as const;

/** What the store must say, kept in the simplest way. */
interface ModelMailbox {
  uidNext: number;
  messages: { uid: number; subject: string; flags: Set<string> }[];
}
interface Real {
  store: MailStore;
  boxes: Record<string, Mailbox>;
  validity: Record<string, number>;
  highest: Record<string, number>;
}

const flagSet = fc.subarray(FLAGS);
const box = fc.constantFrom(...NAMES);
const pick = fc.array(fc.nat({ max: 8 }), { minLength: 1, maxLength: 4 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      box,
      flags: fc.array(flagSet, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("deliver" as const), box, seen: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("flags" as const),
      box,
      pick,
      mode: fc.constantFrom("add" as const, "remove" as const, "replace" as const),
      flags: flagSet,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("copy" as const), box, pick, to: box, move: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("expunge" as const), box }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("recent" as const), box }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("foreign" as const),
      box,
      pick,
      how: fc.constantFrom("new" as const, "flag" as const, "remove" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("reopen" as const), loseState: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test("Random operations, foreign changes and reopenings leave what a simple model says, and MODSEQ only grows", async (t) => {
  const root = freshDirectory(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const home = `${root}/${run++}`;
      const model: Record<string, ModelMailbox> = {
        INBOX: { uidNext: 1, messages: [] },
        Other: { uidNext: 1, messages: [] },
      };
      const real = await openReal(home, undefined);
      let subject = 0;
      try {
        for (const one of steps) {
          await take(one, home, model, real, () => `s${subject++}`);
          await compare(model, real);
        }
      } finally {
        for (const name of NAMES) real.boxes[name]!.release();
        await real.store.close();
      }
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

async function openReal(home: string, before: Real | undefined): Promise<Real> {
  const store = await openIn(home);
  const account = await store.account(ANN);
  if (before === undefined) await account.create("Other");
  const boxes: Record<string, Mailbox> = {};
  for (const name of NAMES) boxes[name] = await account.open(name);
  const real: Real = { store, boxes, validity: {}, highest: {} };
  for (const name of NAMES) {
    real.validity[name] = boxes[name]!.uidValidity;
    real.highest[name] = boxes[name]!.view().highestModSeq;
    if (before === undefined) continue;
    assert.equal(real.validity[name], before.validity[name], "UIDVALIDITY is kept");
    assert.ok(real.highest[name]! >= before.highest[name]!, `HIGHESTMODSEQ of ${name} never goes back`);
  }
  return real;
}

function folderOf(home: string, name: string): string {
  return `${home}/mail/example.org/ann${name === "INBOX" ? "" : `/.${name}`}`;
}

async function take(
  step: Step,
  home: string,
  model: Record<string, ModelMailbox>,
  real: Real,
  next: () => string,
): Promise<void> {
  if (step.kind === "reopen") {
    for (const name of NAMES) real.boxes[name]!.release();
    await real.store.close();
    if (step.loseState)
      for (const entry of readdirSync(`${home}/state/store`))
        if (entry !== "volume") rmSync(`${home}/state/store/${entry}`, { recursive: true });
    Object.assign(real, await openReal(home, real));
    return;
  }
  const mailbox = real.boxes[step.box]!;
  const known = model[step.box]!;
  const chosen = (numbers: readonly number[]) => {
    const all = [...new Set(numbers)].flatMap((number) => known.messages[number] ?? []);
    return all.sort((a, b) => a.uid - b.uid);
  };
  const add = (to: ModelMailbox, name: string, flags: Iterable<string>) =>
    to.messages.push({ uid: to.uidNext++, subject: name, flags: new Set(flags) });
  switch (step.kind) {
    case "append": {
      const named = step.flags.map((flags) => ({ flags, subject: next() }));
      const { uids } = await mailbox.appendAll(
        named.map((one) => ({ content: message(one.subject), flags: one.flags })),
      );
      assert.deepEqual(
        uids,
        named.map((_, i) => known.uidNext + i),
      );
      for (const one of named) add(known, one.subject, one.flags);
      return;
    }
    case "deliver": {
      const name = next();
      const flags = step.seen ? ["\\Seen"] : [];
      const [outcome] = await real.store.deliver({
        content: message(name),
        receivedAt: new Date(),
        recipients: [{ account: ANN, prefix: Buffer.from("X-Trace: 1\r\n"), mailbox: step.box, flags }],
      });
      assert.ok(outcome!.stored);
      add(known, name, flags);
      await mailbox.refresh();
      return;
    }
    case "flags": {
      const before = mailbox.view();
      const some = chosen(step.pick);
      await mailbox.setFlags({ uids: some.map((one) => one.uid), mode: step.mode, flags: step.flags });
      for (const one of some) {
        const old = [...one.flags].sort().join();
        if (step.mode === "replace") one.flags = new Set(step.flags);
        for (const flag of step.flags) step.mode === "remove" ? one.flags.delete(flag) : one.flags.add(flag);
        const at = known.messages.indexOf(one);
        const changed = [...one.flags].sort().join() !== old;
        assert.equal(
          mailbox.view().modSeqs[at]! > before.highestModSeq,
          changed,
          "MODSEQ grows exactly with a change",
        );
      }
      return;
    }
    case "copy": {
      const some = chosen(step.pick);
      if (step.move && step.to === step.box) return;
      const uids = some.map((one) => one.uid);
      const target = model[step.to]!;
      const result = await (step.move ? mailbox.move(uids, step.to) : mailbox.copy(uids, step.to));
      assert.deepEqual(result.sourceUids, uids);
      assert.deepEqual(
        result.targetUids,
        uids.map((_, i) => target.uidNext + i),
      );
      for (const one of some) add(target, one.subject, one.flags);
      if (step.move) known.messages = known.messages.filter((one) => !some.includes(one));
      return;
    }
    case "expunge": {
      const before = mailbox.view().highestModSeq;
      const gone = known.messages.filter((one) => one.flags.has("\\Deleted")).map((one) => one.uid);
      const { uids } = await mailbox.expunge();
      assert.deepEqual(uids, gone);
      known.messages = known.messages.filter((one) => !one.flags.has("\\Deleted"));
      if (gone.length > 0) assert.deepEqual((await mailbox.expungedSince(before)).uids, gone);
      return;
    }
    case "recent":
      mailbox.claimRecent();
      return;
    case "foreign": {
      const folder = folderOf(home, step.box);
      if (step.how === "new") {
        const name = next();
        writeFileSync(`${folder}/new/${1_800_000_000 + known.uidNext}.foreign`, `Subject: ${name}\n\nx\n`);
        add(known, name, []);
      }
      // From outside a message is known by its subject alone: of copies in one folder nobody can tell which is meant.
      const alone = chosen(step.pick).filter(
        (one) => known.messages.filter(({ subject }) => subject === one.subject).length === 1,
      );
      for (const one of step.how === "new" ? [] : alone.slice(0, 1)) {
        const files = filesIn(folder);
        const file = (
          await Promise.all(
            files.map(async (path) => ((await subjectOf(`${folder}/${path}`)) === one.subject ? path : "")),
          )
        ).find((path) => path !== "")!;
        if (step.how === "remove") {
          unlinkSync(`${folder}/${file}`);
          known.messages = known.messages.filter((other) => other !== one);
        } else {
          const base = file.slice(4).replace(/:.*/, "");
          renameSync(`${folder}/${file}`, `${folder}/cur/${base}:2,FS`);
          one.flags = new Set(["\\Seen", "\\Flagged"]);
        }
      }
      await mailbox.refresh();
      return;
    }
  }
}
async function subjectOf(path: string): Promise<string | undefined> {
  const { readFile } = await import("node:fs/promises");
  return /^Subject: (\S+)/m.exec(await readFile(path, "latin1"))?.[1];
}

async function compare(model: Record<string, ModelMailbox>, real: Real): Promise<void> {
  for (const name of NAMES) {
    const mailbox = real.boxes[name]!;
    const known = model[name]!;
    const view = mailbox.view();
    assert.deepEqual(
      uidsOf(mailbox),
      known.messages.map((one) => one.uid),
      name,
    );
    assert.deepEqual(
      known.messages.map((_, at) => flagsAt(mailbox, at)),
      known.messages.map((one) => [...one.flags].sort()),
    );
    assert.ok(view.uidNext >= known.uidNext);
    assert.ok(view.highestModSeq >= real.highest[name]!, "HIGHESTMODSEQ never goes back");
    real.highest[name] = view.highestModSeq;
    for (const [at, one] of known.messages.entries()) {
      assert.ok(view.modSeqs[at]! <= view.highestModSeq);
      const text = await textOf(mailbox, one.uid);
      assert.match(text, new RegExp(`^Subject: ${one.subject}\r$`, "m"));
      assert.equal(view.sizes[at], text.length);
    }
  }
}
