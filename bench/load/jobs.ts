import { hash } from "node:crypto";

/** The address that the servers are told they have: the `iss` of their tokens, and the `aud` of signed requests. */
export const SERVER_URL = "https://domains.example";

/** Requests of devices. A domain's members are those of `memberGuid`, by index. */
export type Traffic =
  /** New devices join one domain, and get all its keys or the newest; all if left out. */
  | Readonly<{ kind: "joins"; domain: string; credentials?: "all" | "newest" }>
  /** Members renew, each holding the keys up to a version. */
  | Readonly<{ kind: "renewals"; domain: string; members: number; afterKeyVersion: number }>
  /** Of a hundred requests 90 are renewals, 9 joins and 1 is a leave. */
  | Readonly<{ kind: "mix"; domain: string; members: number }>
  /** New devices join domains named `{prefix}-{number}`, each in turn; domains that nobody asked for before if left out. */
  | Readonly<{ kind: "spread"; prefix: string; domains?: number }>
  /** New devices join one domain; each signs its request and has its keys sealed. */
  | Readonly<{ kind: "signed"; domain: string }>
  /** A certificate authority makes a key and a certificate for it. */
  | Readonly<{ kind: "certificates" }>;

/** A task for the load generator. */
export type Job = Readonly<{
  origin: string;
  traffic: Traffic;
  /** How many requests to send. */
  amount: number;
  /** How to send them: each connection its next one as soon as it is answered, or so many a second come what may. */
  pace: Readonly<{ connections: number } | { perSecond: number }>;
}>;

/** The result of a job; times in milliseconds. */
export type Measurement = Readonly<{
  /** Answered per second, from the first request to the last answer. */
  perSecond: number;
  /** From when a request was due until its answer was there. */
  p50: number;
  p99: number;
  /** The share of one processor that the generator itself was busy with. */
  generatorBusy: number;
}>;

/** Something that is to go with the bench, even if that is killed: a folder, or a process. */
export type Kept = Readonly<{ folder: string } | { pid: number }>;

/** The machine GUID of the member with this index: looks random, and is the same in every process. */
export function memberGuid(index: number): string {
  const digits = hash("md5", `${index}`);
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}
