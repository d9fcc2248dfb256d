/** A machine GUID: a UUID of version 4 or 7 (RFC 9562), in lower case. */
export const MACHINE_GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The same in either case. Without the flag `i`: the API's description has the pattern too, where patterns have no flags. */
export const MACHINE_GUID_OF_ANY_CASE =
  /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[47][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$/;
