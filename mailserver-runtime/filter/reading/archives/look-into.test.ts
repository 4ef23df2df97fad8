/** Archives made by Python's and 7-Zip's own writers, bombs among them. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run } from "../../../../test/support/tools.ts";
import { kindOfFile } from "../file-kind.ts";
import { lookInto } from "./look-into.ts";

/** What a Python script writes to the file that it gets as its argument. */
async function written(t: TestContext, script: string): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-archive-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "archive");
  const program = `import sys, io, zipfile, tarfile, gzip, os\npath = sys.argv[1]\nos.chdir(os.path.dirname(path))\n${script}`;
  const { code, stderr } = await run("python3", ["-c", program, path]);
  assert.equal(code, 0, stderr);
  return readFile(path);
}
const names = async (bytes: Buffer) => (await lookInto(bytes)).entries.map(({ name }) => name);
const zipOf = (inner: string) => `
def zipped(files):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items(): archive.writestr(name, data)
    return memory.getvalue()
open(path, "wb").write(${inner})`;

test("a ZIP tells its entries, and those of ZIPs in it", async (t) => {
  if (!needs(t, "python3")) return;
  const bytes = await written(
    t,
    zipOf('zipped({"a.txt": "a" * 500, "inner.zip": zipped({"run.exe": "MZ" * 500})})'),
  );
  const look = await lookInto(bytes);
  assert.deepEqual(
    look.entries.map(({ name }) => name),
    ["a.txt", "inner.zip", "run.exe"],
  );
  assert.deepEqual([look.levels, look.isBomb], [2, false]);
});

test("archives in archives are followed to a bound", async (t) => {
  if (!needs(t, "python3")) return;
  const deep =
    'zipped({"1.zip": zipped({"2.zip": zipped({"3.zip": zipped({"4.zip": zipped({"5.txt": "deep"})})})})})';
  const look = await lookInto(await written(t, zipOf(deep)));
  assert.deepEqual(
    look.entries.map(({ name }) => name),
    ["1.zip", "2.zip", "3.zip", "4.zip"],
  );
  assert.equal(look.levels, 4);
});

test("a ZIP written as a stream has its sizes behind its data, and a bomb is known by them", async (t) => {
  if (!needs(t, "python3")) return;
  const script = `
class Stream(io.RawIOBase):
    def __init__(self): self.file = open(path, "wb")
    def writable(self): return True
    def write(self, data): return self.file.write(data)
with zipfile.ZipFile(Stream(), "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("zeros", bytes(200 * 1024 * 1024))`;
  assert.equal((await lookInto(await written(t, script))).isBomb, true);
});

test("a ZIP of ZIPs of zeros is a bomb, at little cost", async (t) => {
  if (!needs(t, "python3")) return;
  const bytes = await written(
    t,
    zipOf(
      'zipped({str(i) + ".zip": inner for inner in [zipped({"zeros": bytes(110 * 1024 * 1024)})] for i in range(40)})',
    ),
  );
  const begin = process.cpuUsage();
  const before = process.memoryUsage.rss();
  assert.equal((await lookInto(bytes)).isBomb, true);
  const { user, system } = process.cpuUsage(begin);
  assert.ok(user + system < 1_000_000, `${user + system} µs`);
  assert.ok(process.memoryUsage.rss() - before < 64 * 1_048_576);
});

test("gzip: a tar in it is listed, a bomb is known by what its beginning becomes", async (t) => {
  if (!needs(t, "python3")) return;
  const tar = `
with tarfile.open(path, "w:gz") as archive:
    for name in ["one.txt", "two.exe"]:
        info = tarfile.TarInfo(name); info.size = 700; archive.addfile(info, io.BytesIO(os.urandom(700)))`;
  assert.deepEqual(await names(await written(t, tar)), ["one.txt", "two.exe"]);
  const bomb = await written(t, 'gzip.open(path, "wb").write(bytes(50 * 1024 * 1024))');
  assert.equal((await lookInto(bomb)).isBomb, true);
  const text = await written(t, 'gzip.open(path, "wb").write(os.urandom(100000))');
  assert.equal((await lookInto(text)).isBomb, false);
});

test("a tar tells its entries", async (t) => {
  if (!needs(t, "python3")) return;
  const script = `
with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
    info = tarfile.TarInfo("deep/run.js"); info.size = 3; archive.addfile(info, io.BytesIO(b"abc"))`;
  assert.deepEqual(await names(await written(t, script)), ["deep/run.js"]);
});

test("7-Zip's archives tell whether they are encrypted", async (t) => {
  if (!needs(t, "python3", "7z")) return;
  for (const [options, encrypted] of [
    ["'-psecret', '-mhe=on'", true],
    ["'-psecret'", true],
    ["'-mhc=off'", false],
  ] as const) {
    const script = `
import subprocess
open("run.exe", "wb").write(os.urandom(200))
subprocess.run(["7z", "a", "-t7z", ${options}, "made.7z", "run.exe"], check=True, stdout=subprocess.DEVNULL)
os.rename("made.7z", path)`;
    const bytes = await written(t, script);
    assert.equal(kindOfFile(bytes), "7z");
    const { entries } = await lookInto(bytes);
    assert.equal(
      entries.some((entry) => entry.encrypted),
      encrypted,
      options,
    );
    if (options === "'-mhc=off'")
      assert.deepEqual(
        entries.map(({ name }) => name),
        ["run.exe"],
      );
  }
});

test("RAR 4 and 5 tell their entries, and which are encrypted", async () => {
  const fourth = (flags: number, name: string) => {
    const header = Buffer.alloc(32 + name.length);
    header.writeUInt8(0x74, 2);
    header.writeUInt16LE(flags, 3);
    header.writeUInt16LE(header.length, 5);
    header.writeUInt32LE(4, 7);
    header.writeUInt32LE(9, 11);
    header.writeUInt16LE(name.length, 26);
    header.write(name, 32);
    return Buffer.concat([header, Buffer.from("data")]);
  };
  const main = (flags: number) => Buffer.from([0, 0, 0x73, flags, 0, 13, 0, 0, 0, 0, 0, 0, 0]);
  const four = Buffer.concat([
    Buffer.from("Rar!\x1a\x07\0", "latin1"),
    main(0),
    fourth(0x8000, "a.txt"),
    fourth(0x8004, "run.exe"),
  ]);
  assert.deepEqual(
    (await lookInto(four)).entries.map(({ name, encrypted }) => [name, encrypted]),
    [
      ["a.txt", false],
      ["run.exe", true],
    ],
  );
  const five = (name: string, isEncrypted: boolean) => {
    const extra = isEncrypted ? Buffer.from([3, 1, 0, 0]) : Buffer.alloc(0);
    const fields = Buffer.from([
      2,
      isEncrypted ? 3 : 2,
      ...(isEncrypted ? [extra.length] : []),
      4,
      0,
      9,
      0,
      0,
      0,
      name.length,
    ]);
    const body = Buffer.concat([fields, Buffer.from(name), extra]);
    return Buffer.concat([Buffer.alloc(4), Buffer.from([body.length]), body, Buffer.from("data")]);
  };
  const fifth = Buffer.concat([
    Buffer.from("Rar!\x1a\x07\x01\0", "latin1"),
    Buffer.concat([Buffer.alloc(4), Buffer.from([3, 1, 0, 0])]),
    five("a.txt", false),
    five("run.exe", true),
  ]);
  assert.deepEqual(
    (await lookInto(fifth)).entries.map(({ name, encrypted }) => [name, encrypted]),
    [
      ["a.txt", false],
      ["run.exe", true],
    ],
  );
});

test("damaged archives are looked at without harm", async () => {
  const heads = ["PK\x03\x04", "Rar!\x1a\x07\0", "Rar!\x1a\x07\x01\0", "7z\xbc\xaf\x27\x1c", "\x1f\x8b\x08"];
  let seed = 3;
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff);
  for (let round = 0; round < 500; round += 1) {
    const noise = Buffer.from(Array.from({ length: next() % 400 }, () => next() >> 8));
    const bytes = Buffer.concat([Buffer.from(heads[round % heads.length]!, "latin1"), noise]);
    assert.ok((await lookInto(bytes)).entries.length <= 500);
  }
});
