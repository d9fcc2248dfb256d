import * as z from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { handle } from "./admin-responses.ts";
import { jsonAnswer, jsonRequest } from "./contents.ts";
import { OWNER_ANSWER, REQUEST } from "./examples.ts";
import { ownedDevice, ownedDevicesResponse, removalResponse } from "./owner-responses.ts";
import { problemResponses, readProblems } from "./problem-responses.ts";
import { askingDevice, pageParameters, removalParameters, renaming } from "./requests.ts";
import { domainName } from "./values.ts";

const path = z.object({ domain: domainName });
const onDevice = path.extend({ handle });
const security = [{ ownerToken: [] }];
const refusals = [...readProblems, "DOM_AUTHENTICATION_REQUIRED", "NOT_FOUND"] as const;

/** Operations of a domain's owner. */
export const ownerOperations: ZodOpenApiPathsObject = {
  "/domains/{domain}/devices": {
    get: {
      operationId: "listDevices",
      tags: ["Owners"],
      summary: "The devices of a domain",
      description: "404 `NOT_FOUND` if the domain has no owner.",
      security,
      requestParams: { path, query: pageParameters, header: askingDevice },
      responses: {
        200: jsonAnswer("A page of them.", ownedDevicesResponse, { devices: OWNER_ANSWER.devices }),
        ...problemResponses(...refusals),
      },
    },
    delete: {
      operationId: "removeDevices",
      tags: ["Owners"],
      summary: "Remove all devices, or all others",
      description:
        "Sign out everywhere. A rollover is due at once: what is encrypted from then on is out of their reach. They may join again. If the request is interrupted, the same request removes the rest.",
      security,
      requestParams: { path, query: removalParameters },
      responses: {
        200: jsonAnswer("They are removed.", removalResponse, { removed: OWNER_ANSWER.removedAll }),
        ...problemResponses(...refusals),
      },
    },
  },
  "/domains/{domain}/devices/{handle}": {
    patch: {
      operationId: "renameDevice",
      tags: ["Owners"],
      summary: "Rename a device",
      security,
      requestParams: { path: onDevice, header: askingDevice },
      requestBody: jsonRequest(renaming, { name: REQUEST.renaming, none: REQUEST.unnaming }),
      responses: {
        200: jsonAnswer("The device has the name.", ownedDevice, {
          named: OWNER_ANSWER.device,
          unnamed: OWNER_ANSWER.unnamed,
        }),
        ...problemResponses(...refusals, "BODY_TOO_LARGE", "WRONG_MEDIA_TYPE"),
      },
    },
    delete: {
      operationId: "removeDevice",
      tags: ["Owners"],
      summary: "Remove a device",
      description: "With the effect of an eviction: a rollover is due at once. The device may join again.",
      security,
      requestParams: { path: onDevice },
      responses: {
        200: jsonAnswer("The device is a member no more.", removalResponse, { removed: OWNER_ANSWER.removed }),
        ...problemResponses(...refusals),
      },
    },
  },
};
