/** The Workers that are measured side by side: the server, the same with objects that do nothing, the literal one. */
export const VARIANTS = ["ours", "empty", "literal"] as const;
export type Variant = (typeof VARIANTS)[number];
