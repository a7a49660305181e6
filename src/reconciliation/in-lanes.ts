/** Works all items, `lanes` at once. After the first failure nothing more is begun; rejects with it when what runs has ended. */
export const inLanes = async <T>(items: readonly T[], lanes: number, work: (item: T) => Promise<unknown>): Promise<void> => {
  const rest = items.values();
  let failed: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    for (const item of rest) {
      if (failed !== undefined) return;
      try {
        await work(item);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
  if (failed !== undefined) throw failed.error;
};
