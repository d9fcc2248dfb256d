import { readFileSync } from "node:fs";
import type { JWK } from "jose";

// What belongs to first-release.sql, a database as the first release wrote it: the keys it was written under, and what
// devices and licence servers had got by then. They protect nothing.

/** The rows of that database, one statement each. */
export const STATEMENTS: readonly string[] = readFileSync("test/support/first-release.sql", "utf8")
  .split("\n")
  .filter((line) => line.startsWith("INSERT"));

/** The secrets it was run with. */
export const KEY_ENCRYPTION_KEY: JWK = {
  kty: "oct",
  alg: "A256GCM",
  kid: "first-release-kek",
  k: "fdSUfBiUxoObFkjBYJ_5JkAXo2w4mNKOz1sNBG7HhGU",
};
export const DOMAIN_AUTHORITY_KEY: JWK = {
  kty: "EC",
  x: "9xTWzxYvrttekHYGJ-rJjuxVIdwLIlAvm7-RU7c52WA",
  y: "e3EXvaps-mefw6ASuOAewDGcvKZkZI_7ptYBjWx2GRw",
  crv: "P-256",
  d: "XXz3FEUJv3GydenVgSSEuisp9iV8oiW5if2R5iqrwGU",
  alg: "ES256",
  kid: "tCoSJMhNjm8dQRcfZev8PDfDl2XHSSiq5yp8L7QpgfI",
};

/** When it was written, in milliseconds since the Unix epoch; its tokens were valid then. */
export const WRITTEN_AT = 1795466478428;

/** A member of the domain `den`, which holds all of its keys, and its domain token of each version. */
export const OLDEST_MEMBER = "c6a71020-0a00-4dff-bd7b-2a5f2839c813";
export const TOKENS: readonly string[] = [
  "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRvbWFpbi10b2tlbitqd3QiLCJraWQiOiJ0Q29TSk1oTmptOGRRUmNmWmV2OFBEZkRsMlhIU1NpcTV5cDhMN1FwZ2ZJIn0.eyJrZXlfdmVyc2lvbiI6MSwiY25mIjp7Imp3ayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6IjlEbVBUNW00eFZtc2szUTQ1NFplNkg1WGRUOUFwcTVUbV9aZFY1QUtvbDgiLCJ5IjoiVXRFX2NlTC14TzkxYVMxeHlXMTRpb2JlX2ZyX2VXU0JOWmE2elVTNjh6SSIsImtpZCI6ImRlbi8xIiwidXNlIjoiZW5jIiwiYWxnIjoiRUNESC1FUytBMjU2S1cifX0sImlzcyI6Imh0dHBzOi8vZG9tYWlucy5leGFtcGxlIiwic3ViIjoiZGVuIiwiaWF0IjoxNzk1NDY2NDc3LCJleHAiOjE3OTgwNTg0Nzd9.UWkxUj3uf6KM3AXyBJbwA3i_Ogt4ve1iTz-e4v5AVAH8xs0OpbcdS7J9gsR2frHZqiWMuEvicNkqa5g_7ftdEw",
  "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRvbWFpbi10b2tlbitqd3QiLCJraWQiOiJ0Q29TSk1oTmptOGRRUmNmWmV2OFBEZkRsMlhIU1NpcTV5cDhMN1FwZ2ZJIn0.eyJrZXlfdmVyc2lvbiI6MiwiY25mIjp7Imp3ayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6IkRxbHhwcXBpd1FGNldDaHM4X0Q5ZFF0aElxWEEwUnZLZUZqeThheEVfTmMiLCJ5IjoiUklkcmFjbmJzdE43UlJIeC1SWXVqX2dqWERQQ2NWU2pjUTJYa1JCdWpkUSIsImtpZCI6ImRlbi8yIiwidXNlIjoiZW5jIiwiYWxnIjoiRUNESC1FUytBMjU2S1cifX0sImlzcyI6Imh0dHBzOi8vZG9tYWlucy5leGFtcGxlIiwic3ViIjoiZGVuIiwiaWF0IjoxNzk1NDY2NDc3LCJleHAiOjE3OTgwNTg0Nzd9.DJOdwQ4yRGdIAcmB1XSFXK5H-YwBjBXLCY8M10cXsTjyghR-QdwSsVdiH0ipfJ1COB_OL5d-yimPKK0TOIWzvA",
  "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRvbWFpbi10b2tlbitqd3QiLCJraWQiOiJ0Q29TSk1oTmptOGRRUmNmWmV2OFBEZkRsMlhIU1NpcTV5cDhMN1FwZ2ZJIn0.eyJrZXlfdmVyc2lvbiI6MywiY25mIjp7Imp3ayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6InowemM1SnpNM2tDZmFNZGxSYlVEREV1MVI5TzZFb1JpRHZJX1AzUTlJdTQiLCJ5IjoiRmVIVDhhSS1OWTVGdUZQZGZ1U3pBUUN2V21sVHFaYkRGU3V6UFZXLXRtWSIsImtpZCI6ImRlbi8zIiwidXNlIjoiZW5jIiwiYWxnIjoiRUNESC1FUytBMjU2S1cifX0sImlzcyI6Imh0dHBzOi8vZG9tYWlucy5leGFtcGxlIiwic3ViIjoiZGVuIiwiaWF0IjoxNzk1NDY2NDc3LCJleHAiOjE3OTgwNTg0Nzd9.HttfDE1P79o3KnmkJ6loUWRDb4Lp6C7hzMv6tlV_UrLyqNeo6IEZCAeXVDEL53IuvgQMrd1Yp-IAJznHXD77DA",
];

/** A member of the domain `fleet` that signs its requests, and its private key. */
export const SIGNING_MEMBER = "f0f5a7c4-11e4-4504-8c97-8c7b72846594";
export const SIGNING_KEY: JWK = {
  kty: "EC",
  x: "SXV7KyHEYlwx5aEiJGzTjjfCtCb-VTqUfN3Lyhb57kY",
  y: "wJc1OifATPsYF272E1UvKJr60H2hYdR2O1b_fljNlac",
  crv: "P-256",
  d: "sHrhQncH9eWldOI8h0648n_4Y-uNcgyycfTTGbn8VOA",
};

/** What a licence server encrypted to each domain key: the plaintext is `a secret for `, and the `kid`. */
export const SECRETS: readonly Readonly<{ kid: string; jwe: string }>[] = [
  {
    kid: "den/1",
    jwe: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJraWQiOiJkZW4vMSIsImVwayI6eyJ4IjoiR1o2S3o0dldYcWRQWHFLMnJZWjFCYy1qUnd3aldRelp2RVlqalRCVUJMbyIsImNydiI6IlAtMjU2Iiwia3R5IjoiRUMiLCJ5IjoiR0t1TW0tYTBfNERTclRtZWxwNm4zM2ZRMnNBWGJTcFVqSmJway12RVV2OCJ9fQ.Pe9FrUxnNymvqesD85oK5lXaxYDw4Fuuy2TeBJEChbRbjJEMb2l82w.olggiejlDIGpeWNi.6uWvn-Zp7Klszyu_yT0h7RL5.BbdiSn9SMIDjksQPWhx3Cg",
  },
  {
    kid: "den/2",
    jwe: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJraWQiOiJkZW4vMiIsImVwayI6eyJ4IjoibWFxYVJRSTVZS1V5NUFMSG9XYkUyU09MeEoyZ2ZLUGdQTDFBaGJXUUxVcyIsImNydiI6IlAtMjU2Iiwia3R5IjoiRUMiLCJ5IjoiNm1IcU54OUpGRldybi16UzdERnFmNFdydTQyYWJuLU1sODdLU00tWE9uRSJ9fQ.Ye8Cnequ59Ugmpwbfg5IljRnM3QfyXAO5tQeErhNdKH7N3a3L5T9aQ.iw1eEf4wxKyuLN3i.SmOgAlc4Yl_3ZsPf0I5r8I1w.ztgGZhyS3qVTHYA_E2fqqA",
  },
  {
    kid: "den/3",
    jwe: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJraWQiOiJkZW4vMyIsImVwayI6eyJ4IjoiYjYtdm94TzZWcEo5LTZBUjhqTlpJbWdFVF9VcUl2WVlvRHJSOTMxX3NrbyIsImNydiI6IlAtMjU2Iiwia3R5IjoiRUMiLCJ5IjoiVGY0aVVUclQ2YnRVWHY3VUw2OC1TdW0wUHVKMFNybnlLdVlDM2lVMWZsTSJ9fQ.CEhyneqReiMM6nvIGHnhwRmBj5N3wO8q7CV_tabsnOF4prAVwvcYRA.IdfG05U7CqRLYGUI.N5wn4QDE4io_4D-GaJuGH3sm.kY0zNnAxO2joeCYzWzlImQ",
  },
  {
    kid: "fleet/1",
    jwe: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJraWQiOiJmbGVldC8xIiwiZXBrIjp7IngiOiIxQUJ6TmVaTWVYdjZmc3ZPbnhWRGh0Q2d6LW5qaGptdXhsNWtaX3UyLXRZIiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsInkiOiJCUjFNY2RDMTE3aDhvZnREWnlITkpfTUVsYk5yNllIdnlwcWdvNmVrYmM4In19.BO-OE2PXouSRLy64aHTTo8UzaOoVCHeTxPPubRgI7iwWu8HTT2vl9A.ziYZoaCCAyTmlfW-.GJDxsCo4xa4S9BN5f_6CRJlVf2c.6oITv3kZOHaTM5Wu-ucgKw",
  },
  {
    kid: "fleet/2",
    jwe: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJraWQiOiJmbGVldC8yIiwiZXBrIjp7IngiOiJOcUtlUDdQLU0xYXI1cWxDNmxIcl9vdU1LNWRfM3hVdkVWUHRQN0ZOSktZIiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsInkiOiI4cUl1RWIxZ0F5N3VkYnoyMkRIVUtfTmZCaGNlTEo2N25WZzJCNUpSVjdJIn19.aaAzyFqJPjNANWRt3eYiZvRqU6PS5-wG73vDstIbKv3qSEeqW_gw8g.1NCsjHAFiN91VGPO.hzLSjYHhzJOSTNiicPSRiBv6qjQ.Gzesp1mqyOOTCIm2zYyGOg",
  },
  {
    kid: "attic/1",
    jwe: "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJraWQiOiJhdHRpYy8xIiwiZXBrIjp7IngiOiJOSDR6SHF4Y1JaMHhyZVlVSTF6Z3k3WDRPYWU4UW9ULV9JM0NVS3R0NGtZIiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsInkiOiJZVkdoWTJqMUhlU2d0WmVqZU9DZU9IaXlHeGpVMDZEZVlVZzRDMzJYaVU4In19.KXvkDRyqqQCUDar5gNfpIhbBBc8Fd3kw7g_TOn7tncTawk2fO5aVTQ.jpY5VmCXgXaK88Jx.vNHjPaynuiVyhL0L-y8D1Swy0-E.15K-xBGU0Ca2majElgzu2w",
  },
];
