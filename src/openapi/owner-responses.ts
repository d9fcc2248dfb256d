import * as z from "zod";
import type {} from "zod-openapi";
import { MAX_PAGE_ROWS } from "../protocol/limits.ts";
import { day, deviceId, handle, nameOfDevice, nextCursor } from "./admin-responses.ts";
import { domainName, maxMembership, time } from "./values.ts";

/** A device as the owner of its domain sees it. */
export const ownedDevice = z
  .object({
    handle,
    deviceId,
    name: nameOfDevice,
    joinedAt: time,
    lastRenewedOn: day.meta({ description: "The day it last joined or renewed." }),
    thisDevice: z.boolean().meta({ description: "Whether its machine GUID is that of the header `Machine-Guid`." }),
  })
  .meta({ id: "OwnedDevice" });

/** The devices of a domain. */
export const ownedDevicesResponse = z
  .object({
    domain: domainName,
    memberCount: z.int().min(0).meta({ description: "How many devices are members." }),
    maxMembership,
    devices: z.array(ownedDevice).max(MAX_PAGE_ROWS),
    nextCursor,
  })
  .meta({ id: "OwnedDevicePage" });

/** Devices are removed. */
export const removalResponse = z
  .object({
    domain: domainName,
    removed: z.int().min(0).meta({ description: "How many devices are members no more." }),
  })
  .meta({ id: "Removal" });

/** The issuers at which owners sign in. */
export const signInResponse = z
  .object({
    issuers: z.array(
      z.object({
        issuer: z.string().meta({ description: "The issuer's identifier, a URL: its configuration is below it." }),
        clientId: z.string().meta({ description: "The `client_id` of the page." }),
        scope: z.string().meta({ description: "The `scope` to ask for." }),
        audience: z
          .string()
          .meta({ description: "The `aud` that access tokens must have. A URI is asked for as `resource`." }),
      }),
    ),
  })
  .meta({ id: "SignIn" });

/** The domain of a token's subject. */
export const ownDomainResponse = z.object({ domain: domainName }).meta({ id: "OwnDomain" });
