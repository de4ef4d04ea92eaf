/** 2023-11-14T22:13:20Z, in seconds: the time of every file where SOURCE_DATE_EPOCH names no other. */
export const defaultSourceDate = 1_700_000_000;

/** Stands for every release where it is asked whether a package is another one. */
export const noRelease = '0.0.0';
