import assert from "node:assert/strict";
import { test } from "node:test";
import { type Log, silentLog } from "../net/log.ts";
import { watchFreeSpace } from "./free-space.ts";

test("Below the reserve there is no room, the log says so once a volume and at the end, and the kernel is asked four times a second at most", () => {
  const events: unknown[] = [];
  const note = (fields: { event?: unknown }) => void events.push(fields.event);
  const log = { ...silentLog, error: note, warn: note } as unknown as Log;
  let time = 0;
  let free = 1000;
  let asked = 0;
  const space = watchFreeSpace({
    directories: ["/mail", "/state", "/mail/elsewhere"],
    reserveBytes: () => 500,
    log,
    now: () => time,
    look: (directory) => {
      asked++;
      return directory === "/state" ? { volume: 2, freeBytes: 1_000_000 } : { volume: 1, freeBytes: free };
    },
  });
  assert.equal(space.hasRoomFor(500), true);
  assert.equal(space.hasRoomFor(501), false, "a message may not take what is reserved");
  assert.equal(asked, 3);
  free = 499;
  assert.equal(space.hasRoomFor(0), true, "not asked again yet");
  for (time = 300; time < 100_000; time += 300) assert.equal(space.hasRoomFor(0), false);
  assert.match(space.problems()[0]!.reason, /no new mail is taken/);
  free = 1000;
  time += 300;
  assert.equal(space.hasRoomFor(100), true);
  assert.deepEqual(events, ["disk-low", "disk-recovered"]);
  assert.deepEqual(space.problems(), []);
});
