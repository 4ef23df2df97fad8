"use strict";
module.exports = require("./load-later.cjs")(() => require("typescript"));
