/** Processes that share accounts, with messages that take their time: what the directory and the owners promise together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { AccountOwner } from "../store/maildir/owned-store.ts";
import { AccountDirectory } from "./account-directory.ts";
import type { ProcessNumber, Purpose } from "./calls.ts";
import { Ownership } from "./ownership.ts";
import { PeerGone } from "./peer.ts";

/** Accounts that a process has in memory; a second one that has it too is what must never be. */
class Memory {
  readonly #has = new Map<string, ProcessNumber>();
  readonly #dead = new Set<ProcessNumber>();
  enter(account: string, process: ProcessNumber): void {
    // A killed process does nothing more; here its promises go on.
    if (this.#dead.has(process)) return;
    const other = this.#has.get(account);
    assert.ok(other === undefined || other === process, `${account} is ${other}'s and ${process}'s`);
    this.#has.set(account, process);
  }
  leave(account: string, process: ProcessNumber): void {
    if (this.#has.get(account) === process) this.#has.delete(account);
  }
  died(process: ProcessNumber): void {
    this.#dead.add(process);
    for (const [account, owner] of this.#has) if (owner === process) this.#has.delete(account);
  }
}

/** `delay` is awaited by every message between two processes. */
function household(delay: () => Promise<unknown>) {
  const memory = new Memory();
  const members = new Map<ProcessNumber, Ownership>();
  const sessions = new Map<string, number>();
  const asked = (process: ProcessNumber): Ownership => {
    const member = members.get(process);
    if (member === undefined) throw new PeerGone("it has ended");
    return member;
  };
  const directory = new AccountDirectory(async (owner, account) => {
    if (owner === 0) return members.get(0)!.release(account);
    await delay();
    const free = await asked(owner).release(account);
    await delay();
    asked(owner);
    return free;
  });
  const key = (process: ProcessNumber, account: string) => `${process} ${account}`;
  const join = (self: ProcessNumber) => {
    const remote = async (account: string, purpose: Purpose) => {
      await delay();
      const owner = await directory.ownerOf(account, self, purpose);
      await delay();
      return owner;
    };
    members.set(
      self,
      new Ownership({
        self,
        ownerOf: self === 0 ? (account, purpose) => directory.ownerOf(account, 0, purpose) : remote,
        owner: (process) => {
          const touch = async (account: string) => {
            await delay();
            await asked(process).here(account, async () => {
              memory.enter(account, process);
              await delay();
            });
          };
          return { prepare: touch } as unknown as AccountOwner;
        },
        isShared: async (account) => account === "shared",
        async letGo(account) {
          await delay();
          if ((sessions.get(key(self, account)) ?? 0) > 0) return false;
          memory.leave(account, self);
          return true;
        },
      }),
    );
  };
  /** What a process does with an account: a delivery goes to whoever has it. */
  const deliver = (self: ProcessNumber, account: string) =>
    asked(self).use(account, {
      async here() {
        memory.enter(account, self);
        await delay();
        return self;
      },
      async there(owner) {
        await owner.prepare(account);
        return -1;
      },
    });
  const session = async (self: ProcessNumber, account: string) => {
    const member = asked(self);
    const owner = await member.locate(account);
    if (owner !== self) return owner;
    await member.here(account, async () => {
      memory.enter(account, self);
      sessions.set(key(self, account), (sessions.get(key(self, account)) ?? 0) + 1);
    });
    await delay();
    sessions.set(key(self, account), sessions.get(key(self, account))! - 1);
    return self;
  };
  const die = (process: ProcessNumber) => {
    members.delete(process);
    memory.died(process);
    for (const name of sessions.keys()) if (name.startsWith(`${process} `)) sessions.delete(name);
    directory.gone(process);
  };
  return { join, deliver, session, die, directory };
}

test("a session takes an idle account over, and deliveries find it where it went", async () => {
  const house = household(turn);
  for (const process of [0, 1, 2]) house.join(process);
  assert.equal(await house.deliver(1, "ann"), 1);
  assert.equal(await house.deliver(2, "ann"), -1);
  assert.equal(await house.session(2, "ann"), 2);
  assert.equal(await house.deliver(1, "ann"), -1);
  assert.equal(await house.deliver(2, "ann"), 2);
});

test("an account that shares folders is served by the first process", async () => {
  const house = household(turn);
  for (const process of [0, 1, 2]) house.join(process);
  await house.deliver(1, "shared");
  assert.equal(await house.session(1, "shared"), 0);
  assert.equal(await house.session(0, "shared"), 0);
  assert.equal(await house.deliver(1, "shared"), -1);
});

test("what the dead owner of an account was asked is asked of the next one", async () => {
  const house = household(turn);
  for (const process of [0, 1, 2]) house.join(process);
  await house.session(1, "ann");
  assert.equal(await house.deliver(2, "ann"), -1);
  const delivering = house.deliver(2, "ann");
  house.die(1);
  assert.equal(await delivering, 2, "it is the asker's own now");
});

test("whatever is asked while processes come and go, no account is in two processes' memory", async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  for (let round = 0; round < 40; round++) {
    const house = household(() => (random(4) === 0 ? sleep(random(3)) : turn()));
    let last = 3;
    const living = [0, 1, 2, 3];
    for (const process of living) house.join(process);
    const work: Promise<unknown>[] = [];
    for (let step = 0; step < 60; step++) {
      const self = living[random(living.length)]!;
      const account = "ab"[random(2)]!;
      const kind = random(12);
      if (kind === 0 && self !== 0) {
        house.die(self);
        living.splice(living.indexOf(self), 1);
        living.push(++last);
        house.join(last);
      } else if (kind < 5) work.push(house.session(self, account));
      else work.push(house.deliver(self, account));
      if (random(3) === 0) await turn();
    }
    for (const outcome of await Promise.allSettled(work))
      if (outcome.status === "rejected")
        assert.ok(!(outcome.reason instanceof assert.AssertionError), `seed ${seed}: ${outcome.reason}`);
  }
});
