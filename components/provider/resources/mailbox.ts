/**
 * An account: an address, its login and its mail.
 *
 * A password is initial: it is set when the account has none. When its declaration changes, the new one is set only if the
 * account still has the old one; what its user or `setup` set since stays. With the policy "enforced" the declared one
 * always wins. Removing a mailbox refuses its logins and its new mail; its Maildir stays.
 */
import { z } from "zod";
import { address as addressField } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

const inputs = z.object({
  address: addressField.meta({ description: "The mailbox's address, which is its login name too." }),
  password: z
    .string()
    .min(1, "a password is not empty")
    .optional()
    .meta({ description: "The first password; `passwordPolicy` says what a later change means." }),
  passwordHash: z
    .string()
    .regex(/^\{[A-Z0-9.-]+\}.+$/, "a hash begins with its scheme, as in {SHA512-CRYPT}$6$...")
    .optional()
    .meta({ description: "In place of a password: a hash with its scheme, as in postfix-accounts.cf." }),
  passwordPolicy: z.enum(["initial", "enforced"]).default("initial").meta({
    description: "`initial`: a password changed by its user stays. `enforced`: the declared one always wins.",
  }),
  quotaBytes: z.int().min(0).default(0).meta({ description: "Most bytes of mail; 0 is no limit." }),
  displayName: z.string().max(256).optional().meta({ description: "The person's name." }),
});

export const mailbox = resourceType({
  token: "mailkeep:index:Mailbox",
  description:
    "An account: an address, its login and its mail. Removing it refuses logins and new mail and leaves its Maildir where it is.",
  inputs,
  facts: z.object({}),
  identity: ["address"],
  secrets: ["password", "passwordHash"],
  check({ password, passwordHash }) {
    if (password !== undefined && passwordHash !== undefined)
      return [{ property: "passwordHash", reason: "stands beside password: declare one of them" }];
    return [];
  },
  id: (declared) => declared.address,
  async put({ host, owner, limit }, declared, before) {
    const { address, password, passwordHash, passwordPolicy, quotaBytes, displayName } = declared;
    let policy = passwordPolicy;
    if (password !== undefined && before?.password !== undefined && before.password !== password) {
      const account = await host.perform("mailbox.read", { address, password: before.password }, limit);
      if (account.passwordMatches) policy = "enforced";
    }
    await host.perform(
      "mailbox.put",
      {
        address,
        owner,
        ...(password !== undefined && { password: { text: password, policy } }),
        ...(passwordHash !== undefined && { passwordHash }),
        quotaBytes,
        ...(displayName !== undefined && { displayName }),
      },
      limit,
    );
    return {};
  },
  async read({ host, limit }, id, declared) {
    const { password, ...rest } = declared ?? { password: undefined, passwordPolicy: "initial" as const };
    const account = await host.perform(
      "mailbox.read",
      { address: id, ...(password !== undefined && { password }) },
      limit,
    );
    if (!account.exists || !account.enabled) return undefined;
    // An enforced password that is not the account's any more goes out of the state: the next diff sets it again.
    const kept =
      password !== undefined && !(rest.passwordPolicy === "enforced" && account.passwordMatches === false);
    return {
      inputs: {
        ...rest,
        ...(kept && { password }),
        address: id,
        quotaBytes: account.quotaBytes,
        displayName: account.displayName,
      },
      facts: {},
      owner: account.owner,
    };
  },
  async remove({ host, owner, limit }, { address }) {
    await host.perform("mailbox.remove", { address, owner }, limit);
  },
});
