import type { Operator } from "../operator/index.ts";

/** Who is signed in, and what they may do. */
export function SignedIn({ identity, scopes }: Operator) {
  const may = scopes.length === 0 ? "no scope" : scopes.join(", ");
  return (
    <span class="signed-in muted" title={`${identity}: ${may}`}>
      <span class="name">{identity}</span> <span class="scopes">{scopesInShort(scopes)}</span>
    </span>
  );
}

function scopesInShort(scopes: Operator["scopes"]): string {
  if (scopes.includes("domains:write") && scopes.includes("domains:evict")) return "may change everything";
  if (scopes.includes("domains:write")) return "may change domains";
  if (scopes.includes("domains:evict")) return "may remove devices";
  return scopes.includes("domains:read") ? "may only look" : "may not look at domains";
}
