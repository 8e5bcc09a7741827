// A rule of this house: no answer tells a password or a reset link. Runs in the sandbox; it sees only its arguments.
const PATTERNS = [/password\s+(?:is|:)\s*\S+/i, /https?:\/\/\S*reset\S*/i];

export default function (args) {
  for (const pattern of PATTERNS) {
    const found = pattern.exec(args.text);
    if (found) {
      return {
        action: "block",
        reason: "Passwords and reset links are given in person",
        span: [found.index, found.index + found[0].length],
      };
    }
  }
  return null;
}
