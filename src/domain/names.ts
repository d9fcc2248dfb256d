/** The longest domain name, in characters. */
export const MAX_DOMAIN_NAME_LENGTH = 128;

const ALLOWED = /^[A-Za-z0-9._:@~-]*$/;
const FIRST_AND_LAST = /^[A-Za-z0-9](.*[A-Za-z0-9])?$/;

/** That a text holds characters which no domain name may have; null if it holds none. */
export function characterProblem(text: string): string | null {
  return ALLOWED.test(text) ? null : "may hold only the characters A-Z a-z 0-9 . _ : @ ~ -";
}

/** Which rule a domain name breaks, as a sentence for its sender; null if it is well formed. */
export function domainNameProblem(name: string): string | null {
  if (name.length === 0) return "must not be empty";
  if (name.length > MAX_DOMAIN_NAME_LENGTH) return `must have at most ${MAX_DOMAIN_NAME_LENGTH} characters`;
  const characters = characterProblem(name);
  if (characters) return characters;
  if (!FIRST_AND_LAST.test(name)) return "must begin and end with a letter or digit";
  // Not a traversal here, but a name ends up in URLs, and software on the way may take it for one.
  if (name.includes("..")) return "must not hold two dots in a row";
  return null;
}
