// A stand-in for a module that is loaded when something of it is first used. Plain CommonJS, as what it stands for.
"use strict";

/** @param {() => object} load gives the real module. */
module.exports = function loadLater(load) {
  let real;
  const target = () => {
    real ??= load();
    return real;
  };
  return new Proxy(
    {},
    {
      // Asked for by every import of a CommonJS module; it decides nothing here.
      get: (_, name) => (name === "__esModule" ? true : target()[name]),
      has: (_, name) => name in target(),
      ownKeys: () => Reflect.ownKeys(target()),
      getOwnPropertyDescriptor: (_, name) => {
        const found = Reflect.getOwnPropertyDescriptor(target(), name);
        return found && { ...found, configurable: true };
      },
    },
  );
};
