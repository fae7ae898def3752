/** PLACEHOLDER */
export function normalConjuncts(text: string): string[] {
  return text.split("&&").map((one) => one.trim());
}
