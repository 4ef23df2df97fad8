import assert from "node:assert/strict";
import test from "node:test";
import { type Command, parseArguments, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { commandHelp, overview } from "./help.ts";

const sample: Command = {
  name: "sample",
  summary: "a sample",
  usage: "<what> [more]",
  options: {
    stack: { summary: "the stack", value: "name", short: "s" },
    engine: { summary: "who", value: "engine", choices: ["embedded", "pulumi"] },
    json: { summary: "for programs" },
  },
  words: [1, 2],
  run: async () => 0,
};

test("options are read in every usual form, and what follows -- is a word", () => {
  const forms = [
    ["x", "--stack", "prod", "--json"],
    ["--stack=prod", "--json", "x"],
    ["-s", "prod", "--json", "--", "x"],
  ];
  for (const argv of forms) {
    assert.deepEqual(
      parseArguments(sample, argv),
      { options: { stack: "prod", json: true }, words: ["x"] },
      argv.join(" "),
    );
  }
  assert.deepEqual(parseArguments(sample, ["--", "--stack"]).words, ["--stack"]);
});

test("a mistake on the command line is named, with the nearest thing that exists", () => {
  const cases: [string[], RegExp][] = [
    [["x", "--stak", "prod"], /unknown option '--stak'; did you mean '--stack'\?/],
    [["x", "--stack"], /--stack needs a value: --stack <name>/],
    [["x", "--json=yes"], /--json takes no value/],
    [["x", "--engine", "go"], /--engine is one of embedded, pulumi, not 'go'/],
    [[], /something is missing; usage: mailkeep sample <what> \[more\]/],
    [["x", "y", "z"], /'z' is too much/],
    [["x", "-q"], /unknown option '-q'/],
  ];
  for (const [argv, expected] of cases) {
    assert.throws(
      () => parseArguments(sample, argv),
      (error) => error instanceof UsageError && expected.test(error.message),
      argv.join(" "),
    );
  }
});

test("help is made from the table: every command and every option stands in it", () => {
  for (const command of commands) {
    assert.ok(overview(commands).includes(command.summary));
    const text = commandHelp(command);
    for (const [name, spec] of Object.entries(command.options)) {
      assert.ok(text.includes(`--${name}`) && text.includes(spec.summary), `${command.name} --${name}`);
    }
  }
});

test("command names and short options are unique", () => {
  assert.equal(new Set(commands.map(({ name }) => name)).size, commands.length);
  for (const { name, options } of commands) {
    const shorts = Object.values(options).flatMap(({ short }) => short ?? []);
    assert.equal(new Set(shorts).size, shorts.length, name);
  }
});
