/** What earlier mail says of a message: whom the recipient has written to, and what else came within the hour. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { correspondentsCheck } from "./checks/correspondents.ts";
import { volumeCheck } from "./checks/volume.ts";
import { createInboundFilter } from "./inbound-filter.ts";
import type { InboundMessage } from "./pipeline.ts";

const resolver = zoneResolver({ "TXT friend.test": ["v=spf1 ip4:192.0.2.1 -all"] });
const correspondence = {
  accountsOf: (address: string) => (address === "info@green.test" ? ["ann@green.test"] : [address]),
  hasMet: async (account: string, address: string) =>
    account === "ann@green.test" && address === "bob@friend.test",
};
const filterOf = (...checks: Parameters<typeof createInboundFilter>[0]["checks"] & {}) =>
  createInboundFilter({ hostname: () => "mx.test", resolver, log: silentLog, checks });
const text = (from: string, more = "", body = "Hello.") =>
  `From: ${from}\r\nSubject: hi\r\n${more}\r\n${body}\r\n`;
function message(raw: string, overrides: Partial<InboundMessage> = {}): InboundMessage {
  return {
    content: memoryContent(Buffer.from(raw)),
    client: { address: "192.0.2.1", port: 1, secure: true },
    helo: "mail.friend.test",
    from: "bob@friend.test",
    recipients: ["ann@green.test"],
    receivedAt: new Date("2026-11-23T10:00:00Z"),
    ...overrides,
  };
}

test("an author whom the recipient has written to is known, where his domain answers for the message", async () => {
  const filter = filterOf(correspondentsCheck(correspondence));
  const symbols = async (raw: string, overrides: Partial<InboundMessage> = {}) =>
    (await filter.inspect(message(raw, overrides))).findings.map(({ symbol, score }) => `${symbol} ${score}`);
  assert.deepEqual(await symbols(text("Bob <bob@friend.test>")), ["KNOWN_CORRESPONDENT -1.5"]);
  assert.deepEqual(await symbols(text("bob@friend.test", "In-Reply-To: <1@green.test>\r\n")), [
    "REPLY_OF_CORRESPONDENT -3",
  ]);
  assert.deepEqual(await symbols(text("bob@friend.test"), { recipients: ["info@green.test"] }), [
    "KNOWN_CORRESPONDENT -1.5",
  ]);
  assert.deepEqual(await symbols(text("eve@friend.test")), []);
  assert.deepEqual(await symbols(text("bob@friend.test"), { recipients: ["cleo@green.test"] }), []);
  const forged = { client: { address: "203.0.113.9", port: 1, secure: false } };
  assert.deepEqual(await symbols(text("bob@friend.test"), forged), []);
});

test("one text from many networks within an hour is a campaign; from one place it is a list", async () => {
  const filter = filterOf(volumeCheck());
  const body =
    "Dear reader we have a very good offer for you and it would be a pity to let it pass this week";
  const symbols = async (address: string, minutes: number, words = body) =>
    (
      await filter.inspect(
        message(text("x@y.test", "", words), {
          client: { address, port: 1, secure: false },
          receivedAt: new Date(Date.parse("2026-11-23T10:00:00Z") + minutes * 60_000),
        }),
      )
    ).findings.map(({ symbol }) => symbol);
  for (let copy = 0; copy < 6; copy += 1) assert.deepEqual(await symbols("8.8.8.8", copy), []);
  assert.deepEqual(await symbols("8.8.4.4", 7), []);
  assert.deepEqual(await symbols("9.9.9.9", 8), []);
  assert.deepEqual(await symbols("1.1.1.1", 9), ["VOLUME_OF_TEXT"]);
  assert.deepEqual(await symbols("1.0.0.1", 10, "thanks"), []);
  assert.deepEqual(await symbols("1.0.0.1", 90), []);
});

test("more than sixty messages of one client within ten minutes are a finding, of a private network never", async () => {
  const filter = filterOf(volumeCheck());
  const last = async (address: string) => {
    let symbols: string[] = [];
    for (let count = 0; count < 61; count += 1) {
      const client = { address, port: 1, secure: false };
      symbols = (await filter.inspect(message(text("x@y.test"), { client }))).findings.map(
        ({ symbol }) => symbol,
      );
    }
    return symbols;
  };
  assert.deepEqual(await last("8.8.8.8"), ["VOLUME_OF_CLIENT"]);
  assert.deepEqual(await last("10.0.0.1"), []);
});
