/** The number in a text field; null if it is empty. Other text stays text: the server says what is wrong with it. */
export function typedNumber(text: string): number | string | null {
  const typed = text.trim();
  if (typed === "") return null;
  const number = Number(typed);
  return Number.isNaN(number) ? typed : number;
}
