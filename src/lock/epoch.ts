import type { Layer } from '../config/config.ts';

export type Refresh = NonNullable<Layer['refresh']>;

/** The day, ISO 8601 week or month that `now` lies in, in UTC: `2026-11-21`, `2026-W47`, `2026-11`. */
export function epochOf(refresh: Refresh, now: Date): string {
  const day = now.toISOString().slice(0, 10);
  if (refresh === 'daily') return day;
  if (refresh === 'monthly') return day.slice(0, 7);
  // The week's year is that of its Thursday.
  const weekday = (now.getUTCDay() + 6) % 7;
  const thursday = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() - weekday + 3));
  const newYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - newYear) / (7 * 24 * 3600 * 1000)) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}

const forms: Record<Refresh, RegExp> = {
  daily: /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/,
  weekly: /^\d{4}-W(?:0[1-9]|[1-4]\d|5[0-3])$/,
  monthly: /^\d{4}-(?:0[1-9]|1[0-2])$/,
};

/** Whether it is an epoch of any refresh. */
export function isEpoch(value: string): boolean {
  return Object.values(forms).some((form) => form.test(value));
}

/** False after `refresh:` of a layer was changed to another one. */
export function isEpochOf(refresh: Refresh, value: string): boolean {
  return forms[refresh].test(value);
}
