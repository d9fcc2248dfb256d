import * as z from "zod";
import { MAX_ROLLOVER_INTERVAL_SECONDS } from "../protocol/limits.ts";

/** The longest time that a setting or a query counts in days. */
export const MAX_AGE_DAYS = 36_500;

/** Text that UTF-8, and so the database and every reader of the log, can hold as it is. */
export const text = z.string().refine((value) => value.isWellFormed(), "must be well-formed Unicode");

/** The schema of each setting of a domain. */
export const settings = {
  authenticationRequired: z.boolean(),
  authNamespace: text.min(1).max(128).nullable(),
  maxMembership: z.int().min(0).nullable(),
  deviceKeyRequired: z.boolean(),
  rolloverIntervalSeconds: z.int().min(0).max(MAX_ROLLOVER_INTERVAL_SECONDS).nullable(),
  retireAfterDays: z.int().min(1).max(MAX_AGE_DAYS).nullable(),
  maxMembershipPerSubject: z.int().min(1).nullable(),
  ownerSubject: text.min(1).max(255).nullable(),
  whenFull: z.enum(["refuse", "replace-least-recent"]),
  minIdleDays: z.int().min(0).max(MAX_AGE_DAYS),
  memberIdleDays: z.int().min(1).max(MAX_AGE_DAYS).nullable(),
  deleteAfterEmptyDays: z.int().min(1).max(MAX_AGE_DAYS).nullable(),
};
