/** Told in one line what is going on, for a person who waits. */
export type Progress = (line: string) => void;

export const noProgress: Progress = () => undefined;
