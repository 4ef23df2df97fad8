/** In which scheme new passwords are kept (`passwords.scheme`), read from the settings that lie with the files. */
import { settingsSchema } from "../settings/schema.ts";
import { readStackSettings } from "./stack/files.ts";

const schemeSchema = settingsSchema.shape.passwords;
type Scheme = "SHA512-CRYPT" | "SCRAM-SHA-256";

/** The default where the settings cannot be read: whoever makes the account is not who broke them. */
export async function passwordScheme(config: string): Promise<Scheme> {
  try {
    const settings: { readonly passwords?: unknown } = (await readStackSettings(config))?.settings ?? {};
    return schemeSchema.parse(settings.passwords).scheme;
  } catch {
    return schemeSchema.parse(undefined).scheme;
  }
}
