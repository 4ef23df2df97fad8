import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Flag, KEYWORD_SHIFT } from "../mail-store.ts";
import {
  arrivalSeconds,
  baseName,
  crlfSizeOf,
  dateOf,
  field,
  flagsOf,
  infoFor,
  isOwn,
  newBaseName,
} from "./file-name.ts";
import { clientName, decodeModifiedUtf7, diskName, encodeModifiedUtf7 } from "./folder-name.ts";
import { parseUidList } from "./uid-list.ts";

test("Flags go to letters and back, in ascending order, and letters of others are kept", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (word) => {
      const flags = (word & ~Flag.Recent) >>> 0;
      const info = infoFor(flags, "1.a.host");
      assert.equal(flagsOf(`1.a.host${info}`), flags);
      assert.equal([...info.slice(3)].sort().join(""), info.slice(3));
    }),
  );
  assert.equal(infoFor(Flag.Seen | Flag.Answered, "1.a:2,PX"), ":2,PRSX");
  assert.equal(flagsOf("1.a:2,S,later"), Flag.Seen);
  assert.equal(flagsOf("1.a:1,S"), 0);
  assert.equal(flagsOf("1.a:2,a"), 1 << KEYWORD_SHIFT);
});

test("A name of ours says size and date; claims of other names are not taken for ours", () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const plain = newBaseName(now, now, 100, 100);
  assert.ok(isOwn(plain));
  assert.equal(field(plain, "S"), 100);
  assert.equal(dateOf(plain), now - 678);
  assert.equal(crlfSizeOf(plain), 100);
  const dated = newBaseName(now, Date.UTC(2001, 0, 1), 100, 110);
  assert.equal(dateOf(dated), Date.UTC(2001, 0, 1));
  assert.equal(arrivalSeconds(dated) * 1000, now - 678);
  assert.equal(crlfSizeOf(dated), -1);
  assert.equal(crlfSizeOf("1700000000.M1P2.host,S=5,W=5"), -1);
  assert.equal(dateOf("1700000000.M1P2.host,S=5,W=5"), -1);
  assert.equal(field("1.x,S=12x,W=9", "S"), -1);
  assert.equal(baseName("1.x,S=12:2,S"), "1.x,S=12");
});

test("Mailbox names go to modified UTF-7 and back (RFC 3501 §5.1.3)", () => {
  assert.equal(diskName("Wörk.Sub", "."), ".W&APY-rk.Sub");
  assert.equal(diskName("A & B", "."), ".A &- B");
  assert.equal(diskName("日本/😀", "/"), ".&ZeVnLA-.&2D3eAA-");
  assert.equal(diskName("inbox", "."), "");
  assert.equal(diskName("inbox.Sub", "."), ".INBOX.Sub");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }), (text) => {
      assert.equal(decodeModifiedUtf7(encodeModifiedUtf7(text)), text);
      assert.match(encodeModifiedUtf7(text), /^[\x20-\x7e]*$/);
    }),
  );
  for (const broken of ["&", "&AA", "&AGE-", "&2D0-", "caf\u00e9"])
    assert.equal(decodeModifiedUtf7(broken), undefined, broken);
});

test("Names that would leave the account's directory or cannot be told apart on disk are refused", () => {
  for (const name of [
    "",
    "a..b",
    ".a",
    "a/b",
    "../x",
    "a\u0000b",
    "a\nb",
    "x".repeat(260),
    "\ud800",
    "a.b.".repeat(12),
  ])
    assert.throws(() => diskName(name, "."), { code: "cannot" }, JSON.stringify(name));
  assert.throws(() => diskName("a.b", "/"), { code: "cannot" });
  for (const disk of ["..", ".", "home", "..DOVECOT-TRASHED", ".a..b", ".&AGE-"])
    assert.equal(clientName(disk, "."), undefined, disk);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0x17f }), { maxLength: 40 }), (codes) => {
      const name = String.fromCharCode(...codes);
      let disk: string;
      try {
        disk = diskName(name, "/");
      } catch {
        return;
      }
      assert.ok(disk === "" || (/^\.[^./]/.test(disk) && !disk.includes("/") && !disk.includes("\0")));
      if (disk !== "") assert.equal(diskName(clientName(disk, "/")!, "/"), disk);
    }),
  );
});

test("dovecot-uidlist is read in both versions, and hostile bytes in it neither throw nor give a UID twice", () => {
  const three = parseUidList(
    Buffer.from("3 V7 N9 G0123456789abcdef0123456789abcdef\n2 W5 S4 :b,S=4:2,S\n5 :c\n"),
  );
  assert.deepEqual(three, {
    uidValidity: 7,
    nextUid: 9,
    guid: "0123456789abcdef0123456789abcdef",
    uids: [2, 5],
    names: ["b,S=4", "c"],
    appendable: true,
  });
  const one = parseUidList(Buffer.from("1 7 3\n1 a\n2 b:2,S\n"));
  assert.deepEqual(one, {
    uidValidity: 7,
    nextUid: 3,
    guid: undefined,
    uids: [1, 2],
    names: ["a", "b"],
    appendable: false,
  });
  const torn = parseUidList(Buffer.from("3 V7 N2\n1 :a\n2 :b"));
  assert.ok(torn !== "damaged" && !torn.appendable && torn.uids.length === 1);
  const beyond = parseUidList(Buffer.from("3 V7 N2\n1 :a\n9 :b\n4 :c\n"));
  assert.ok(beyond !== "damaged" && beyond.nextUid === 10 && beyond.uids.join() === "1,9");
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("3 V7 N2", "1 :a", "2 W3 :b", "\n", " ", ":", "9", "-1", "x", "\u0000")),
      (words) => {
        const list = parseUidList(Buffer.from(words.join(""), "latin1"));
        if (list === "damaged") return;
        assert.ok(list.uids.every((uid, i) => uid > (list.uids[i - 1] ?? 0) && uid < list.nextUid));
        assert.ok(list.names.every((name) => name !== "" && !name.includes("\n") && !name.includes(":")));
      },
    ),
  );
});
