/**
 * One order of a certificate (RFC 8555 §7.4): account, order, a proof of control for each name, the request, and the
 * chain, which is looked at before anybody may have it. What goes wrong is an AcmeFailure, whatever the authority says.
 */

import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Authorization, Client } from "acme-client";
import type { Resolver } from "../../dns/resolver.ts";
import type { AcmeIssuer } from "../../settings/certificate-issuer.ts";
import { BrokenCertificate, keyOf, leafOf } from "../certificate-files.ts";
import { sameNames } from "../certificate-names.ts";
import { openAccount } from "./account.ts";
import { acmeLibrary, trustDirectoryBy } from "./client.ts";
import { AcmeFailure, acmeFailure } from "./failure.ts";
import { showProof, type Withdraw } from "./proofs.ts";

/** What an order may use. */
export interface OrderSurroundings {
  /** The state directory: accounts and proofs lie below it. */
  readonly state: string;
  /** Follows the alias of a proof by DNS-01. */
  readonly resolver: Resolver;
}

export interface Wanted {
  readonly names: readonly string[];
  readonly issuer: AcmeIssuer;
  readonly privateKeyPem: string;
}

/** However slow the authority is, the next order does not wait longer. */
const WHOLE_MS = 10 * 60_000;

/**
 * The chain for these names and key, PEM, leaf first.
 *
 * @throws {AcmeFailure}
 */
export async function orderCertificate(
  surroundings: OrderSurroundings,
  wanted: Wanted,
  wholeMs = WHOLE_MS,
): Promise<string> {
  const withdrawals: Withdraw[] = [];
  const limit = new AbortController();
  const late = sleep(wholeMs, undefined, { signal: limit.signal, ref: false }).then(() => {
    throw new AcmeFailure(
      "unreachable",
      `${wanted.issuer.directory} did not finish within ${wholeMs / 1000} s`,
    );
  });
  late.catch(() => {});
  try {
    return await Promise.race([ordered(surroundings, wanted, withdrawals), late]);
  } catch (error) {
    throw acmeFailure(error);
  } finally {
    limit.abort();
    await Promise.allSettled(withdrawals.map((withdraw) => withdraw()));
  }
}

async function ordered(
  surroundings: OrderSurroundings,
  wanted: Wanted,
  withdrawals: Withdraw[],
): Promise<string> {
  const { state } = surroundings;
  const { names, issuer, privateKeyPem } = wanted;
  const { crypto } = await acmeLibrary();
  await trustDirectoryBy(issuer.directoryAuthorities);
  const client = await accountClient(state, issuer);
  const order = await client.createOrder({ identifiers: names.map((value) => ({ type: "dns", value })) });
  // One after the other: a host has one port 80, and authorities count failed proofs.
  for (const authorization of await client.getAuthorizations(order))
    if (authorization.status !== "valid")
      await prove(client, surroundings, issuer, authorization, withdrawals);
  const [, request] = await crypto.createCsr({ altNames: [...names] }, privateKeyPem);
  const finalized = await client.finalizeOrder(order, request);
  const chain = await client.getCertificate(finalized);
  return usableChain(chain, wanted);
}

async function accountClient(state: string, issuer: AcmeIssuer): Promise<Client> {
  const { Client } = await acmeLibrary();
  const account = await openAccount(state, issuer.directory);
  const open = (accountUrl?: string) =>
    new Client({
      directoryUrl: issuer.directory,
      accountKey: account.privateKeyPem,
      backoffAttempts: 20,
      backoffMin: 500,
      backoffMax: 10_000,
      ...(accountUrl && { accountUrl }),
    });
  const contact = issuer.email === undefined ? {} : { contact: [`mailto:${issuer.email}`] };
  if (account.url !== undefined) {
    const client = open(account.url);
    try {
      await client.updateAccount(contact);
      return client;
    } catch (error) {
      // A test CA that began anew, or an account that was taken away: the key may register again.
      if (acmeFailure(error).code !== "refused") throw error;
      await account.forget();
    }
  }
  const client = open();
  await client.createAccount({ termsOfServiceAgreed: true, ...contact });
  await account.keep(client.getAccountUrl());
  return client;
}

async function prove(
  client: Client,
  surroundings: OrderSurroundings,
  issuer: AcmeIssuer,
  authorization: Authorization,
  withdrawals: Withdraw[],
): Promise<void> {
  const name = authorization.identifier.value;
  const challenge = authorization.challenges.find(({ type }) => type === issuer.challenge.type);
  if (challenge === undefined) {
    const offered = authorization.challenges.map(({ type }) => type).join(", ") || "none";
    throw new AcmeFailure(
      "refused",
      `the authority offers no ${issuer.challenge.type} for ${name}, but ${offered}`,
    );
  }
  const keyAuthorization = await client.getChallengeKeyAuthorization(challenge);
  withdrawals.push(
    await showProof(surroundings, issuer.challenge, { name, token: challenge.token, keyAuthorization }),
  );
  try {
    await client.completeChallenge(challenge);
    await client.waitForValidStatus(challenge);
  } catch (error) {
    const failure = acmeFailure(error);
    if (failure.code !== "nonsense") throw failure;
    // The library gives the challenge's own problem as text.
    throw new AcmeFailure("challenge", `${name} by ${issuer.challenge.type}: ${failure.message}`);
  }
}

/** What an authority answers is served to the world: it must be PEM, for our key, for our names, and valid now. */
export function usableChain(chain: string, { names, privateKeyPem }: Wanted, now = Date.now()): string {
  const nonsense = (reason: string) => new AcmeFailure("nonsense", `the authority's certificate ${reason}`);
  const blocks = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw nonsense("is not PEM");
  let leaf: X509Certificate;
  try {
    leaf = leafOf(blocks[0]!, "it");
    for (const block of blocks.slice(1)) new X509Certificate(block);
  } catch (error) {
    throw nonsense(
      error instanceof BrokenCertificate ? error.message : `has a chain that cannot be read: ${error}`,
    );
  }
  if (!leaf.checkPrivateKey(keyOf(privateKeyPem, "our key"))) throw nonsense("is for another key");
  if (!sameNames(leaf, names)) throw nonsense(`is for ${leaf.subjectAltName}, not for ${names.join(", ")}`);
  if (Date.parse(leaf.validTo) <= now) throw nonsense(`has expired (${leaf.validTo})`);
  return `${blocks.join("\n")}\n`;
}
