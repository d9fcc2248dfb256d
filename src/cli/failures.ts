import { DeviceDomainError, DomainServerError } from "../client/client-errors.ts";
import { OperatorError } from "../operator/index.ts";
import { shown } from "./shown.ts";

/** Exit codes, for scripts. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  notNow: 4,
  notMember: 5,
  tampered: 6,
  deviates: 7,
  interrupted: 130,
} as const;

/** A failure as the command line reports it: a stable name, sentences with a line each, and the exit code. */
export type Failure = Readonly<{ error: string; sentences: readonly string[]; exitCode: number }>;

/** Remedies of the errors that a user of the command line can mend. */
const REMEDIES: Readonly<Record<string, string>> = {
  DOM_AUTHENTICATION_REQUIRED: "Give it a valid auth token with --auth-token, or in DEVICE_DOMAIN_AUTH_TOKEN.",
  DOM_LIMIT_REACHED: "Let another device leave first, or ask the operator for a higher maximum.",
  DEREG_DENIED: "Join to become a member again: device-domain join URL.",
  DEVICE_PROOF_INVALID: "The membership is bound to another key, or this machine's clock is wrong.",
  DEVICE_BANNED: "Ask the operator.",
  DOMAIN_NOT_FOUND: "Check the URL; joining creates a domain.",
  NOT_A_MEMBER: "Join first: device-domain join URL.",
  KEY_RETIRED: "Ask for a new licence: the key of this one is retired.",
  KEY_NOT_HELD: "If it is for this domain, fetch the newer keys: device-domain renew.",
  DOMAIN_TOKEN_EXPIRED: "Get a new one: device-domain renew.",
  LEAVE_UNFINISHED: "Finish the leave first: device-domain leave.",
  UNREACHABLE: "Check the address and the network, and try again.",
  UNTRUSTED_ANSWER: "Nothing was stored; make sure that the URL is the real server's.",
};

/** Remedies for operators. */
const OPERATOR_REMEDIES: Readonly<Record<string, string>> = {
  ADMIN_AUTHENTICATION_REQUIRED: "Give an operator's token with --admin-token, or in DEVICE_DOMAIN_ADMIN_TOKEN.",
  DOMAIN_NOT_FOUND: "Check the name: device-domain admin domains list.",
  NOT_FOUND: "Check the device: device-domain admin members DOMAIN, or bans DOMAIN.",
  INVALID_SERVER_URL: "It looks like https://domains.example.com.",
  UNREACHABLE: "Check the address and the network, and try again.",
};

/** The failures of commands themselves, with their exit codes. */
const EXIT_CODES = {
  /** A file that was named cannot be read. */
  UNREADABLE_FILE: EXIT.usage,
  /** A log is not what it should be. */
  LOG_NOT_WHOLE: EXIT.tampered,
  /** An audit could not compare a domain: a later one may. */
  AUDIT_UNFINISHED: EXIT.notNow,
  /** A server deviates from the protocol. */
  NOT_CONFORMING: EXIT.deviates,
  /** Something was done in part: what is left may succeed later. */
  PARTLY_DONE: EXIT.notNow,
  /** The server was asked how it is, and is not healthy. */
  UNHEALTHY: EXIT.notNow,
} as const;

/** A command that failed for a reason of its own, not by a refusal. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly error: keyof typeof EXIT_CODES;
  /** What to say, with a line for each sentence. */
  readonly sentences: readonly string[];

  constructor(error: keyof typeof EXIT_CODES, sentences: string | readonly string[], options?: ErrorOptions) {
    const all = [sentences].flat();
    super(all.join("\n"), options);
    this.error = error;
    this.sentences = all;
  }
}

/** The system's error codes of a path that holds no devices. */
const UNUSABLE: readonly string[] = ["ENOTDIR", "EEXIST", "EACCES", "EPERM", "EROFS", "ENOENT", "ENAMETOOLONG"];

/** How to report an error. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) {
    return { error: error.error, sentences: error.sentences, exitCode: EXIT_CODES[error.error] };
  }
  if (error instanceof OperatorError) {
    return { error: error.error, sentences: [sentenceOf(error, OPERATOR_REMEDIES)], exitCode: operatorExitCode(error) };
  }
  const { code, path } = error as NodeJS.ErrnoException;
  if (path !== undefined && code !== undefined && UNUSABLE.includes(code)) {
    const sentence = `${path} cannot be used (${code}). Name a folder of your own with --home.`;
    return { error: "UNUSABLE_HOME", sentences: [sentence], exitCode: EXIT.usage };
  }
  if (!(error instanceof DomainServerError || error instanceof DeviceDomainError)) {
    const sentence = error instanceof Error ? error.message : String(error);
    return { error: "FAILED", sentences: [sentence], exitCode: EXIT.failed };
  }
  return { error: error.error, sentences: [sentenceOf(error, REMEDIES)], exitCode: exitCode(error) };
}

/** The failure in a sentence, and its remedy. */
function sentenceOf(
  { error, message, retryable }: DomainServerError | DeviceDomainError | OperatorError,
  remedies: Readonly<Record<string, string>>,
): string {
  const remedy = remedies[error] ?? (retryable ? "Try again later." : "");
  return `${message.replace(/[.\s]*$/, ".")} ${remedy}`.trim();
}

/** The text that reports a failure, for programs or for people. */
export function reportOf({ error, sentences }: Failure, json: boolean): string {
  const lines = json ? [JSON.stringify({ error, message: sentences.join("\n") })] : sentences;
  return `${lines.map(shown).join("\n")}\n`;
}

function exitCode(error: DomainServerError | DeviceDomainError): number {
  if (error.retryable) return EXIT.notNow;
  if (error.error === "INVALID_DOMAIN_URL") return EXIT.usage;
  if (error.error === "DOMAIN_TOKEN_EXPIRED") return EXIT.notNow;
  if (["DEREG_DENIED", "NOT_A_MEMBER", "KEY_NOT_HELD", "KEY_RETIRED", "LEAVE_UNFINISHED"].includes(error.error))
    return EXIT.notMember;
  return error instanceof DomainServerError ? EXIT.refused : EXIT.failed;
}

function operatorExitCode({ status, retryable }: OperatorError): number {
  if (retryable) return EXIT.notNow;
  if (status === null) return EXIT.usage;
  return status < 500 ? EXIT.refused : EXIT.failed;
}
