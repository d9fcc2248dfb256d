/** Which tracks of a film a key is for. */
export type TrackType = "SD" | "HD" | "AUDIO";

/** A content key with its usage rule, in the words of CPIX (ContentKey and ContentKeyUsageRule). */
export type ContentKey = Readonly<{
  /** A UUID: packagers write it into the encrypted tracks. */
  kid: string;
  value: Uint8Array;
  intendedTrackType: TrackType;
}>;

const TRACK_TYPES: readonly TrackType[] = ["SD", "HD", "AUDIO"];

/** The content keys of each film, in memory. A service keeps them where its packager puts them, and wrapped. */
const store = new Map<string, readonly ContentKey[]>();

/** The keys of a film, made when they are first asked for. */
export function contentKeysOf(content: string): readonly ContentKey[] {
  const keys = store.get(content) ?? TRACK_TYPES.map(newContentKey);
  store.set(content, keys);
  return keys;
}

function newContentKey(intendedTrackType: TrackType): ContentKey {
  return { kid: crypto.randomUUID(), value: crypto.getRandomValues(new Uint8Array(16)), intendedTrackType };
}
