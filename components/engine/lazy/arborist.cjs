"use strict";
const { createRequire } = require("node:module");
module.exports = require("./load-later.cjs")(() =>
  createRequire(require.resolve("@pulumi/pulumi"))("@npmcli/arborist"),
);
