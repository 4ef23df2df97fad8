/** The hash of a new password, in the scheme the settings ask for. */
import { hashPassword } from "../../auth/password/password.ts";
import { passwordScheme } from "../../config/password-scheme.ts";
import type { SetupSession } from "./session.ts";

export async function newHash({ directories }: SetupSession, password: string): Promise<string> {
  return hashPassword(password, await passwordScheme(directories.config));
}
