/**
 * Whether a notification only says who came or went. Such texts are stored
 * nowhere; at a burst the server folds several into one.
 */
export const isPresence = (text: string) => /^(\S+|\d+ more agents?) (join|left) chat$/.test(text)
