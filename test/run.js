// Runs every *.test.ts of the repository with Node's own test runner and prints its summary.
// Usage: node test/run.js [path or part of a path ...]
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `The tests need Node 22.18 or newer; this is Node ${process.versions.node}. 'npm ci' brings Node 24 and 'npm test' finds it.\n`,
  );
  process.exit(1);
}
const root = fileURLToPath(new URL("..", import.meta.url));
const wanted = process.argv.slice(2);
const files = [
  "components/**/*.test.ts",
  "mailserver-runtime/**/*.test.ts",
  "test/**/*.test.ts",
  "bench/**/*.test.ts",
]
  .flatMap((pattern) => fs.globSync(pattern, { cwd: root }))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wanted.join(", ")}.\n`);
  process.exit(1);
}
const child = spawn(
  process.execPath,
  ["--test", "--test-concurrency=2", "--test-timeout=300000", "--test-reporter=spec", ...files],
  { cwd: root, stdio: "inherit" },
);
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
