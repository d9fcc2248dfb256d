/** The machine GUID of the member with this index: looks random, and is the same in every process. */
export function memberGuid(index: number): string {
  const [a, b, c, d] = [1, 2, 3, 4].map((lane) =>
    scatter(Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(lane, 0x85ebca6b)),
  );
  return `${a}-${b?.slice(0, 4)}-4${b?.slice(5)}-8${c?.slice(1, 4)}-${c?.slice(4)}${d}`;
}

/** The finalizer of MurmurHash3, in hexadecimal. */
function scatter(number: number): string {
  let x = number;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0).toString(16).padStart(8, "0");
}
