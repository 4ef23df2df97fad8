/**
 * Pulumi's passphrase secrets manager (pkg/secrets/passphrase/manager.go, sdk/go/common/resource/config/crypt.go):
 * PBKDF2-HMAC-SHA256 with 1,000,000 rounds and an 8 byte salt gives a 32 byte key for AES-256-GCM. The manager's
 * state is `v1:<salt>:v1:<nonce>:<ciphertext of "pulumi">`, so that a wrong passphrase is noticed before anything
 * is decrypted with it. Derived keys live in this process's memory and nowhere else.
 */
import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { EngineError } from "../errors.ts";
import { mapSecrets, plain, SECRET, type SecretValue, SIGNATURE, secret } from "../wire.ts";

const derive = promisify(pbkdf2);
const ROUNDS = 1_000_000;
const KEY_BYTES = 32;
const SALT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CHECK_WORD = "pulumi";

const keys = new Map<string, Promise<Buffer>>();

/** The key of a passphrase and salt, derived once a process: about a quarter of a second of one core. */
function keyOf(passphrase: string, salt: Buffer): Promise<Buffer> {
  const name = `${salt.toString("base64")}\0${passphrase}`;
  const known = keys.get(name);
  if (known) return known;
  const key = derive(passphrase, salt, ROUNDS, KEY_BYTES, "sha256");
  keys.set(name, key);
  return key;
}

/** Encrypts and decrypts the secrets of one stack. */
export class SecretsManager {
  /** The manager's state, as it stands in the checkpoint and as `encryptionsalt` in the stack's config. */
  readonly salt: string;
  readonly #key: Buffer;
  /** The ciphertext a secret was read with, so that an unchanged value stays unchanged in the file. */
  readonly #sealed = new WeakMap<SecretValue, string>();

  private constructor(key: Buffer, salt: string) {
    this.#key = key;
    this.salt = salt;
  }

  /** A manager with a fresh salt. */
  static async create(passphrase: string): Promise<SecretsManager> {
    const salt = randomBytes(SALT_BYTES);
    const key = await keyOf(passphrase, salt);
    const manager = new SecretsManager(key, "");
    return new SecretsManager(key, `v1:${salt.toString("base64")}:${manager.encrypt(CHECK_WORD)}`);
  }

  /** The manager of an existing stack. Throws `wrong-passphrase`, or `state-damaged` for a salt that is none. */
  static async open(passphrase: string, salt: string, where: string): Promise<SecretsManager> {
    const [version, encoded, ...check] = salt.split(":");
    if (version !== "v1" || !encoded || check.length !== 3) {
      throw new EngineError(
        "state-damaged",
        `${where}: the encryption salt is not of the form v1:<salt>:v1:<nonce>:<check>`,
      );
    }
    const manager = new SecretsManager(await keyOf(passphrase, Buffer.from(encoded, "base64")), salt);
    let word: string | undefined;
    try {
      word = manager.decrypt(check.join(":"));
    } catch {
      word = undefined;
    }
    if (word !== CHECK_WORD) {
      throw new EngineError(
        "wrong-passphrase",
        `the passphrase does not open the secrets of ${where}. ` +
          "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one it was made with.",
      );
    }
    return manager;
  }

  /** `v1:<nonce>:<ciphertext and tag>`, both base64. */
  encrypt(text: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `v1:${nonce.toString("base64")}:${body.toString("base64")}`;
  }

  /** Throws when the text was not made by {@link encrypt} with the same key. */
  decrypt(sealed: string): string {
    const [version, nonce, body, ...rest] = sealed.split(":");
    if (version !== "v1" || nonce === undefined || body === undefined || rest.length > 0) {
      throw new EngineError("state-damaged", "an encrypted value is not of the form v1:<nonce>:<ciphertext>");
    }
    const bytes = Buffer.from(body, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.#key, Buffer.from(nonce, "base64"));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString("utf8");
  }

  /** Wire form to file form: every secret becomes a ciphertext of its JSON. */
  seal(value: unknown): unknown {
    return mapSecrets(value, (mark) => {
      let ciphertext = this.#sealed.get(mark);
      if (ciphertext === undefined) {
        ciphertext = this.encrypt(JSON.stringify(plain(mark.value) ?? null));
        this.#sealed.set(mark, ciphertext);
      }
      return { [SIGNATURE]: SECRET, ciphertext };
    });
  }

  /** File form to wire form. */
  unseal(value: unknown): unknown {
    return mapSecrets(value, (mark) => {
      const { ciphertext, plaintext } = mark as unknown as { ciphertext?: string; plaintext?: string };
      const opened = secret(JSON.parse(plaintext ?? this.decrypt(ciphertext ?? "")));
      if (ciphertext !== undefined) this.#sealed.set(opened, ciphertext);
      return opened;
    });
  }
}
