/**
 * The package as others consume it: packed, unpacked in an empty project outside the checkout, and used from ES modules, from
 * CommonJS and by the compiler as `pulumi new typescript` sets it up.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "./support/tools.ts";

const repository = fileURLToPath(new URL("../", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "package-"));
const installedAt = join(project, "node_modules/mailkeep");
after(() => rmSync(project, { recursive: true, force: true }));

before(() => {
  execFileSync(process.execPath, [join(repository, "build/package.ts")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const packed = execFileSync(
    "npm",
    ["pack", "--silent", "--pack-destination", project, join(repository, "dist")],
    {
      encoding: "utf8",
    },
  );
  mkdirSync(installedAt, { recursive: true });
  execFileSync("tar", ["-xzf", join(project, packed.trim()), "-C", installedAt, "--strip-components=1"]);
  // What an install would bring besides: the packages of this checkout, which are those of its lock file.
  for (const name of readdirSync(join(repository, "node_modules"))) {
    if (name.startsWith(".") || name === "mailkeep") continue;
    symlinkSync(join(repository, "node_modules", name), join(project, "node_modules", name));
  }
});

const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .publicKey.export({ type: "spki", format: "der" })
  .toString("base64");
const program = `
pulumi.runtime.setMocks({
  call: () => ({}),
  newResource: ({ type, name, inputs }) => {
    if (type.startsWith("mailkeep:index:")) made.push(type.split(":")[2]);
    const facts = { publicKey: "${publicKey}", spkiSha256: "aa".repeat(32), nextSpkiSha256: "bb".repeat(32), rsaSpkiSha256: "",
      nextRsaSpkiSha256: "", caCertificatePem: "PEM", config: "/c", path: "/p" };
    return { id: name, state: { ...inputs, ...facts } };
  },
}, "project", "stack", false);
const mail = new MailStack("mail", {
  domains: ["green.test"], mailboxes: ["anna@green.test"], dns: { type: "host" },
  passwords: { "anna@green.test": pulumi.secret("a password") },
  host: { type: "ssh", address: "192.0.2.7", hostKey: "SHA256:${"A".repeat(43)}", auth: { type: "agent" } },
});
mail.endpoints.apply((endpoints) => setTimeout(() => console.log(JSON.stringify({ made, endpoints })), 500));
`;

for (const [form, file, head] of [
  [
    "an ES module",
    "program.mjs",
    'import * as pulumi from "@pulumi/pulumi"; import { MailStack } from "mailkeep"; const made = [];',
  ],
  [
    "CommonJS",
    "program.cjs",
    'const pulumi = require("@pulumi/pulumi"); const { MailStack } = require("mailkeep"); const made = [];',
  ],
] as const)
  test(`a program of ${form} declares a stack with the installed package`, async () => {
    writeFileSync(join(project, file), `${head}${program}`);
    const { code, stdout, stderr } = await run(process.execPath, [join(project, file)], { cwd: project });
    assert.equal(code, 0, stderr);
    const { made, endpoints } = JSON.parse(stdout) as { made: string[]; endpoints: { address: string }[] };
    for (const type of ["HostRuntime", "HostUnit", "HostFirewall", "Server", "Mailbox"])
      assert.ok(made.includes(type), `${type} is missing in ${made.join(", ")}`);
    assert.equal(endpoints[0]?.address, "192.0.2.7");
  });

/** As `pulumi new typescript` writes it. */
const compilerOptions = {
  strict: true,
  target: "es2020",
  module: "commonjs",
  moduleResolution: "node",
  ignoreDeprecations: "6.0",
  experimentalDecorators: true,
  noImplicitReturns: true,
  noEmit: true,
};

test("the types are found by the compiler of a CommonJS project, and know a mistake", async () => {
  const source = `import { MailStack } from "mailkeep";
export const { endpoints } = new MailStack("right", { domains: ["green.test"], host: { type: "local" } });
new MailStack("wrong", { domains: ["green.test"], host: { type: "telnet" } });
`;
  writeFileSync(join(project, "index.ts"), source);
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["index.ts"] }));
  const compiler = join(repository, "node_modules/typescript/lib/tsc.js");
  const { stdout } = await run(process.execPath, [compiler, "-p", project], { timeoutMs: 180_000 });
  const mistakes = stdout.split("\n").filter((line) => /error TS/.test(line));
  assert.equal(mistakes.length, 1, stdout);
  assert.match(mistakes[0] ?? "", /\bindex\.ts\(3,.*Type '"telnet"' is not assignable/);
});

test("the package asks for Node 22.18, brings no Node, and the plugin with its schema", () => {
  const manifest = JSON.parse(readFileSync(join(installedAt, "package.json"), "utf8")) as {
    engines: { node: string };
    dependencies: Record<string, string>;
    devDependencies?: unknown;
  };
  assert.equal(manifest.engines.node, ">=22.18");
  assert.ok(!("node" in manifest.dependencies));
  assert.equal(manifest.devDependencies, undefined);
  const plugin = readdirSync(join(installedAt, "components/provider"));
  for (const file of ["PulumiPlugin.yaml", "package.json", "schema.json", "index.js"])
    assert.ok(plugin.includes(file), file);
});

test("the command line of the package starts, and knows the server's files for a machine", async () => {
  const help = await run(process.execPath, [join(installedAt, "components/cli/mailkeep.js"), "help"]);
  assert.match(help.stdout, /preview/, help.stderr);
  const files = await run(process.execPath, [
    "--input-type=module",
    "-e",
    `import { runtimeFiles } from ${JSON.stringify(join(installedAt, "components/host/runtime-files.js"))};
     const { modules, packages } = runtimeFiles();
     console.log(modules.includes("mailserver-runtime/main.js"), packages.some(({ to }) => to === "node_modules/zod"));`,
  ]);
  assert.equal(files.stdout.trim(), "true true", files.stderr);
});
