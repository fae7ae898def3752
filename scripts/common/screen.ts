/** Text for terminals, wherever it is written: colour only where somebody is looking, and nothing that steers the screen. */

/** The colours and weights in use, with their SGR numbers (ECMA-48 §8.3.117). */
const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** One of the colours and weights in use. */
export type Style = keyof typeof styles;

/** Puts text into a style, or leaves it as it is. */
export type Painter = (style: Style, text: string) => string;

/** Whether a stream shows colour: on a terminal, unless `NO_COLOR` is present and not empty (https://no-color.org). */
export function hasColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR;
}

/** The painter of a stream, or one that is on or off. */
export function painter(target: NodeJS.WriteStream | boolean): Painter {
  const isOn = typeof target === "boolean" ? target : hasColour(target);
  return (style, text) => (isOn ? `\u001b[${styles[style]}m${text}\u001b[0m` : text);
}

/**
 * Text from outside without what could steer a terminal: control characters and those that change the direction of text.
 * @param shown what stands for such a character; by default its number, as `\u…`
 */
export function printable(text: string, shown: (character: string) => string = escapeCharacter): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/gu, shown);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
